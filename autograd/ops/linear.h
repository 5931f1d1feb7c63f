#pragma once

#include "autograd/ops/products.h"
#include "runtime/tensor.h"

namespace lookback {

// x weight^T + bias: y[.., n] = sum_k x[.., k] weight[n, k] + bias[n]. x [.., K] with rows at any
// stride, weight [N, K], bias [N] or undefined, one floating dtype -> [.., N] contiguous. Sums in
// the accumulator dtype. Saves x, as the product read it, and weight. Throws for other shapes, and
// for Products::bfloat16 with other dtypes than float32; x may then be bfloat16 already, and so is
// its gradient, rounded once.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Products products = Products::native);

}  // namespace lookback
