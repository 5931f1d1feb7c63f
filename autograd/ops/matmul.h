#pragma once

#include "runtime/tensor.h"

namespace lookback {

// a [.., M, K] b [.., K, N] -> [.., M, N]. Leading dimensions broadcast by numpy's rule; both
// operands have two dimensions at least. Strided views (transposed, heads split off) are read where
// they lie if one of their last two dimensions is dense, else copied. One floating dtype; sums in
// f32 for f32 and bf16, in f64 for f64. Saves a and b. Throws on other shapes.
Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace lookback
