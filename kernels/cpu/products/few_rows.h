// Products of few rows, for which packing b would cost more than the product: b is read once, where
// it lies. The sums are those of panels (products/float_panels.h), bit for bit:
//
//   s = 0; for p < k: s = a[i, p] * b[p, j] + s;   c[i, j] = alpha * s + (0 or c[i, j])
//
// Of operands in bfloat16 the sums are those of the same numbers in float32, or of pairs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm_arguments.h"
#include "kernels/cpu/gemm_pieces.h"
#include "runtime/dtype.h"

namespace lookback::kernels {

// n must be a multiple of it.
inline constexpr std::int64_t few_rows_columns = 8;
// From this many rows on, panels are faster.
inline constexpr std::int64_t enough_rows_for_panels = 4;

// Whether the vectors in use have fused multiply-adds; else the product must not be asked for.
bool few_rows_are_fused();

// `a` must lie as rows (Layout::as_is); k: one block (products/float_tile.h).
void few_rows_product(const Gemm<float>& product);
void few_rows_product(const Gemm<BFloat16, float>& product);

// The same of all of k, block after block.
template <class T>
void few_rows_in_blocks(const Gemm<T, float>& product) {
  const auto depth = piece_depth<float>(product.k);
  auto block = product;
  for (std::int64_t k = 0; k < product.k; k += depth) {
    block.k = std::min(depth, product.k - k);
    block.a = product.a + k;
    block.b = operand_at(product.b, product.b_stride, product.b_layout, k, 0);
    few_rows_product(block);
    block.into = Into::sum;
  }
}

}  // namespace lookback::kernels
