#pragma once

#include "runtime/tensor.h"

namespace lookback {

// Root mean square normalization over the last dimension (Zhang & Sennrich 2019):
//   y = x / sqrt(mean(x^2) + epsilon) * weight
// x [.., D] with rows at any stride, weight [D], one floating dtype -> [.., D] contiguous. Saves x,
// weight and one number per row. Throws on other shapes.
Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon);

}  // namespace lookback
