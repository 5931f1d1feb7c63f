// Products of up to three rows, for which packing b would cost more than the product: b is read
// once, where it lies. The sums are those of Eigen's register kernel with fused multiply-adds
// (tile_product.h), bit for bit:
//
//   s = 0; for p < k: s = a[i, p] * b[p, j] + s;   c[i, j] = alpha * s + (0 or c[i, j])
#pragma once

#include "kernels/cpu/gemm_arguments.h"

namespace lookback::kernels {

// `a` must lie as rows (Layout::as_is). n: any; k: one piece (gemm_pieces.h).
void few_rows_product(const Gemm<float>& product);

}  // namespace lookback::kernels
