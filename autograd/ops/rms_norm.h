#pragma once

#include "autograd/ops/products.h"
#include "runtime/tensor.h"

namespace lookback {

// Root mean square normalization over the last dimension (Zhang & Sennrich 2019):
//   y = x / sqrt(mean(x^2) + epsilon) * weight
// x [.., D] with rows at any stride, weight [D], one floating dtype -> [.., D] contiguous. Saves x,
// weight and one number per row. For Products::bfloat16, products of that kind alone read y: it is
// rounded to bfloat16 here. Throws on other shapes, and for Products::bfloat16 with other dtypes
// than float32.
Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon,
                Products readers = Products::native);

}  // namespace lookback
