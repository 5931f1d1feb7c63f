#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x itself where it is contiguous, else a contiguous copy. Differentiable.
Tensor contiguous(const Tensor& x);

}  // namespace lookback
