// The body of the translation units tile_product_{baseline,avx2,avx512}.cpp: Eigen's product, once
// per instruction set. Each of them defines LOOKBACK_TILE_ISA, is compiled with that set's flags
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
#define Eigen LOOKBACK_JOIN(Eigen_, LOOKBACK_TILE_ISA)
#define EIGEN_DONT_PARALLELIZE
#define EIGEN_NO_IO
#define EIGEN_GEMM_TO_COEFFBASED_THRESHOLD 0  // small products sum in the order of large ones
#include <Eigen/Core>

#include "kernels/cpu/gemm_arguments.h"

namespace lookback::kernels::LOOKBACK_TILE_ISA {
namespace {

template <class T, int storage_order>
using Panel = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, storage_order>,
                         Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using Target = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
                          Eigen::Unaligned, Eigen::OuterStride<>>;

template <class T, int a_order, int b_order>
void multiply(const Gemm<T>& p) {
  const Panel<T, a_order> a(p.a, p.m, p.k, Eigen::OuterStride<>(p.a_stride));
  const Panel<T, b_order> b(p.b, p.k, p.n, Eigen::OuterStride<>(p.b_stride));
  Target<T> c(p.c, p.m, p.n, Eigen::OuterStride<>(p.c_stride));
  if (p.into == Into::overwrite) c.setZero();
  if (p.k > 0) c.noalias() += static_cast<T>(p.alpha) * a * b;
}

template <class T>
void tile_product(const Gemm<T>& p) {
  constexpr int rows = Eigen::RowMajor;
  constexpr int columns = Eigen::ColMajor;
  if (p.m == 0 || p.n == 0) return;
  const bool a_as_is = p.a_layout == Layout::as_is;
  const bool b_as_is = p.b_layout == Layout::as_is;
  if (a_as_is && b_as_is) return multiply<T, rows, rows>(p);
  if (a_as_is) return multiply<T, rows, columns>(p);
  if (b_as_is) return multiply<T, columns, rows>(p);
  multiply<T, columns, columns>(p);
}

// How Eigen cuts k, whatever m and n are.
template <class T>
std::int64_t piece_depth(std::int64_t k) {
  Eigen::Index depth = k;
  Eigen::Index rows = 1024;
  Eigen::Index columns = 1024;
  Eigen::internal::computeProductBlockingSizes<T, T>(depth, rows, columns);
  return depth;
}

}  // namespace

// Eigen's blocking, and with it the order of the sums, follows the sizes of the caches: they are
// fixed here, so that bits do not depend on the machine's. The register kernel's columns (rows, for
// Eigen, which computes the transpose of a row-major result): twice as many in f32 as in f64.
TileKernels tile_kernels() {
  Eigen::setCpuCacheSizes(64 * 1024, 512 * 1024, 2 * 1024 * 1024);
  return {.f32 = tile_product<float>,
          .f64 = tile_product<double>,
          .column_step = Eigen::internal::gebp_traits<float, float>::mr,
          .f32_depth = piece_depth<float>,
          .f64_depth = piece_depth<double>};
}

}  // namespace lookback::kernels::LOOKBACK_TILE_ISA
