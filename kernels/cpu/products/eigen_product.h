// The body of the translation units eigen_product_{baseline,avx2,avx512}.cpp: Eigen's product in
// f64, once per instruction set. Each defines LOOKBACK_EIGEN_ISA, is compiled with that set's flags
// (CMakeLists.txt goes by the file's name), and gets an Eigen of its own by renaming the namespace:
// otherwise the linker would keep one copy of each inline function, and an old CPU could meet an
// AVX-512 instruction. For the same reason nothing here may leave an inline function of std::
// behind; tests/kernels/isa_symbols.cmake looks.
#pragma once

// GCC 12's AVX-512 intrinsics start from registers that are undefined on purpose (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define LOOKBACK_JOIN2(a, b) a##b
#define LOOKBACK_JOIN(a, b) LOOKBACK_JOIN2(a, b)
#define Eigen LOOKBACK_JOIN(Eigen_, LOOKBACK_EIGEN_ISA)
#define EIGEN_DONT_PARALLELIZE
#define EIGEN_NO_IO
#define EIGEN_GEMM_TO_COEFFBASED_THRESHOLD 0  // small products sum in the order of large ones
#include <Eigen/Core>

#include "kernels/cpu/gemm_arguments.h"

namespace lookback::kernels::LOOKBACK_EIGEN_ISA {
namespace {

template <int storage_order>
using Panel = Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, storage_order>,
                         Eigen::Unaligned, Eigen::OuterStride<>>;
using Target = Eigen::Map<Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
                          Eigen::Unaligned, Eigen::OuterStride<>>;

template <int a_order, int b_order>
void multiply_as(const Gemm<double>& p) {
  const Panel<a_order> a(p.a, p.m, p.k, Eigen::OuterStride<>(p.a_stride));
  const Panel<b_order> b(p.b, p.k, p.n, Eigen::OuterStride<>(p.b_stride));
  Target c(p.c, p.m, p.n, Eigen::OuterStride<>(p.c_stride));
  if (p.into == Into::overwrite) c.setZero();
  if (p.k > 0) c.noalias() += p.alpha * a * b;
}

void multiply(const Gemm<double>& p) {
  constexpr int rows = Eigen::RowMajor;
  constexpr int columns = Eigen::ColMajor;
  if (p.m == 0 || p.n == 0) return;
  const bool a_as_is = p.a_layout == Layout::as_is;
  const bool b_as_is = p.b_layout == Layout::as_is;
  if (a_as_is && b_as_is) return multiply_as<rows, rows>(p);
  if (a_as_is) return multiply_as<rows, columns>(p);
  if (b_as_is) return multiply_as<columns, rows>(p);
  multiply_as<columns, columns>(p);
}

// How Eigen cuts k, whatever m and n are.
std::int64_t depth(std::int64_t k) {
  Eigen::Index depth = k;
  Eigen::Index rows = 1024;
  Eigen::Index columns = 1024;
  Eigen::internal::computeProductBlockingSizes<double, double>(depth, rows, columns);
  return depth;
}

}  // namespace

// Eigen's blocking, and with it the order of the sums, follows the sizes of the caches: they are
// fixed here, so that bits do not depend on the machine's. Column step: what the register kernel
// takes at once (of rows, for Eigen, which computes the transpose of a row-major result).
EigenKernels eigen_kernels() {
  Eigen::setCpuCacheSizes(64 * 1024, 512 * 1024, 2 * 1024 * 1024);
  return {.multiply = multiply,
          .column_step = Eigen::internal::gebp_traits<double, double>::mr,
          .depth = depth};
}

}  // namespace lookback::kernels::LOOKBACK_EIGEN_ISA
