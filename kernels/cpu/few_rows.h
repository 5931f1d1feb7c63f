// Products of up to three rows, for which packing b would cost more than the product: b is read
// once, where it lies. The sums are those of Eigen's register kernel with fused multiply-adds
// (tile_product.h), bit for bit:
//
//   s = 0; for p < k: s = a[i, p] * b[p, j] + s;   c[i, j] = alpha * s + (0 or c[i, j])
//
// Of operands in bfloat16 the sums are those of the same numbers in float32.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm_arguments.h"
#include "kernels/cpu/gemm_pieces.h"
#include "runtime/dtype.h"

namespace lookback::kernels {

// n must be a multiple of it.
inline constexpr std::int64_t few_rows_columns = 8;

// Whether the vectors in use have fused multiply-adds; else the product must not be asked for.
bool few_rows_are_fused();

// `a` must lie as rows (Layout::as_is); k: one piece (gemm_pieces.h).
void few_rows_product(const Gemm<float>& product);
void few_rows_product(const Gemm<BFloat16, float>& product);

// The same of all of k, piece by piece.
template <class T>
void few_rows_in_pieces(const Gemm<T, float>& product) {
  const auto depth = piece_depth<float>(product.k);
  auto piece = product;
  for (std::int64_t k = 0; k < product.k; k += depth) {
    piece.k = std::min(depth, product.k - k);
    piece.a = product.a + k;
    piece.b = operand_at(product.b, product.b_stride, product.b_layout, k, 0);
    few_rows_product(piece);
    piece.into = Into::sum;
  }
}

}  // namespace lookback::kernels
