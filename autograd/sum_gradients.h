// The sum of two contributions to one gradient.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x in `dtype`: itself, or a copy that is widened (node.h: takes_rounded_gradients()).
Tensor widened_gradient(Tensor x, DType dtype);

// total + contribution; both have one shape and dtype. `total` is written in place when no other
// holds its memory, otherwise the sum is a fresh tensor.
Tensor sum_gradients(Tensor total, const Tensor& contribution);

}  // namespace lookback
