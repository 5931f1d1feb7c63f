// The sum of two contributions to one gradient.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

// total + contribution; both have one shape and dtype. `total` is written in place when no other
// holds its memory, otherwise the sum is a fresh tensor.
Tensor sum_gradients(Tensor total, const Tensor& contribution);

}  // namespace lookback
