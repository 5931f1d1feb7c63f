#pragma once

#include "runtime/tensor.h"

namespace lookback {

// The square root of x. Saves the result. Throws for integers.
Tensor sqrt(const Tensor& x);

}  // namespace lookback
