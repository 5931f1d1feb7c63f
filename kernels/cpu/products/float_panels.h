// The inner part of products in f32 and bf16, in the vectors in use: op(a) and op(b) in panels that
// fit the registers, and their product. Operands in bf16 are widened to f32 as they are packed.
//
//   s = 0; for p < k: s = a[i, p] * b[p, j] + s;   c[i, j] = alpha * s + (0 or c[i, j])
//
// for each output on its own, whatever stands beside it: one chain of fused multiply-adds (of
// products and sums rounded one by one where the processor has no fused ones). So the bits are the
// same at any place, among any number of rows and columns, and with vectors of any width.
//
// Where the processor has dot products of pairs in bf16 (Isa::avx512bf16), panels of such operands
// hold two neighbors along k in the place of one number, a last odd one beside 0, and a step of the
// chain takes both: s = (a[i, p] * b[p, j], a[i, p + 1] * b[p + 1, j]) + s, rounded as the
// instruction does it, which takes denormal numbers for 0.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cpu/gemm_arguments.h"
#include "kernels/cpu/isa.h"
#include "runtime/dtype.h"

namespace lookback::kernels {

// Rows of op(a) and columns of op(b) that the registers take at once.
struct PanelSizes {
  std::int64_t rows, columns;
};
PanelSizes float_panel_sizes();
// The most columns on any instruction set, a multiple of those on each; and a multiple of the rows.
inline constexpr std::int64_t most_panel_columns = 32;
inline constexpr std::int64_t whole_rows = 42;

// Rows of op(a) in panels of PanelSizes::rows: element (i, p) of panel q lies at
// data[q * panel_step + i * row_step + p * depth_step]. One of the last two steps is 1.
struct LeftPanels {
  const float* data = nullptr;
  std::int64_t panel_step = 0, row_step = 0, depth_step = 0;
};
// Columns of op(b) in panels of PanelSizes::columns: element (p, j) of panel q lies at
// data[q * panel_step + p * depth_step + j], all columns of every panel.
struct RightPanels {
  const float* data = nullptr;
  std::int64_t panel_step = 0, depth_step = 0;
};

// c[m, n] = alpha a[m, k] b[k, n] (+ c where it adds). pairs: k counts them.
struct PanelProduct {
  std::int64_t m = 0, n = 0, k = 0;
  LeftPanels a;
  RightPanels b;
  float* c = nullptr;
  std::int64_t c_stride = 0;
  Into into = Into::overwrite;
  float alpha = 1;
  bool pairs = false;
};
void multiply_panels(const PanelProduct& product);

// op(a)[m, k] or op(b)[k, n] as they lie in a matrix.
template <class T>
struct Matrix {
  const T* data = nullptr;
  std::int64_t stride = 0;
  Layout layout = Layout::as_is;
};

// How deep a panel of k numbers is: as many, or half of them in pairs.
template <class T>
std::int64_t panel_depth(std::int64_t k) {
  return std::is_same_v<T, BFloat16> && multiplies_pairs() ? (k + 1) / 2 : k;
}

// Copies into `to`, which has room for left_panels_size(m, k) numbers, or right_panels_size(k, n).
LeftPanels pack_left(const Matrix<float>& a, std::int64_t m, std::int64_t k, float* to);
LeftPanels pack_left(const Matrix<BFloat16>& a, std::int64_t m, std::int64_t k, float* to);
RightPanels pack_right(const Matrix<float>& b, std::int64_t k, std::int64_t n, float* to);
RightPanels pack_right(const Matrix<BFloat16>& b, std::int64_t k, std::int64_t n, float* to);
std::int64_t left_panels_size(std::int64_t m, std::int64_t k);
// Where op(a) lies as rows, its copy does, this far apart.
std::int64_t left_row_stride(std::int64_t k);
std::int64_t right_panels_size(std::int64_t k, std::int64_t n);

}  // namespace lookback::kernels
