// The description of one matrix product. Included by the translation units that are compiled for
// one instruction set, so it includes nothing that brings inline functions with it.
#pragma once

#include <cstdint>

namespace lookback::kernels {

// How op(X) lies in memory: as_is: op(X)[i, j] = data[i * stride + j];
// transposed: op(X)[i, j] = data[j * stride + i].
enum class Layout : std::uint8_t { as_is, transposed };

// Whether a product replaces what its result held (without reading it) or is added to it.
enum class Into : std::uint8_t { overwrite, sum };

// c[m, n] (+)= alpha * op(a)[m, k] op(b)[k, n], all row-major with leading strides in elements.
template <class T, class Result = T>
struct Gemm {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  const T* a = nullptr;
  std::int64_t a_stride = 0;
  Layout a_layout = Layout::as_is;
  const T* b = nullptr;
  std::int64_t b_stride = 0;
  Layout b_layout = Layout::as_is;
  Result* c = nullptr;
  std::int64_t c_stride = 0;
  Into into = Into::overwrite;
  double alpha = 1.0;
};

// One instruction set's single-threaded products in f64, as Eigen computes them: what the bits of a
// row depend on is for the callers to fix (products/double_tile.cpp).
struct EigenKernels {
  void (*multiply)(const Gemm<double>&);
  // Columns of the result that are summed in one way: tiles that begin at multiples of it have the
  // bits of the whole.
  std::int64_t column_step;
  // Sums over k go in pieces of this depth, one after the other; the last may be less.
  std::int64_t (*depth)(std::int64_t k);
};

}  // namespace lookback::kernels
