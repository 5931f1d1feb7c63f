#pragma once

#include <vector>

#include "autograd/ops/keep_dims.h"
#include "runtime/tensor.h"

namespace lookback {

// The largest element of all, or over these dimensions (negative: from the end), which go, or stay
// with size one. NaN counts as largest. The gradient goes to the first of equal elements, in
// row-major order. Saves one integer per result. Throws where there is nothing to choose from.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const std::vector<int>& dims, KeepDims keep = KeepDims::no);

}  // namespace lookback
