#pragma once

#include <vector>

#include "autograd/ops/keep_dims.h"
#include "runtime/tensor.h"

namespace lookback {

// The sum of all elements; of no elements it is 0. Saves nothing; the gradient is a view of dy
// (strides 0).
Tensor sum(const Tensor& x);
// The sum over these dimensions (negative: from the end), which go, or stay with size one.
Tensor sum(const Tensor& x, const std::vector<int>& dims, KeepDims keep = KeepDims::no);

}  // namespace lookback
