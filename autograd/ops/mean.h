#pragma once

#include <vector>

#include "autograd/ops/keep_dims.h"
#include "runtime/tensor.h"

namespace lookback {

// The mean of all elements, in a floating dtype; of no elements it is NaN. Saves nothing; the
// gradient is a view of dy (strides 0).
Tensor mean(const Tensor& x);
// The mean over these dimensions (negative: from the end), which go, or stay with size one.
Tensor mean(const Tensor& x, const std::vector<int>& dims, KeepDims keep = KeepDims::no);

}  // namespace lookback
