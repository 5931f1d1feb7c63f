#pragma once

#include "runtime/tensor.h"

namespace lookback {

// Where x is largest along `dim` (negative: from the end), which goes: i64, the first of equal
// ones. NaN counts as largest. Not differentiable: throws where x requires a gradient. Throws where
// `dim` is empty.
Tensor argmax(const Tensor& x, int dim = -1);

}  // namespace lookback
