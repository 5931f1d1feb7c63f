#pragma once

#include "runtime/tensor.h"

namespace lookback {

// 1 / sqrt(x). Saves the result. Throws for integers.
Tensor rsqrt(const Tensor& x);

}  // namespace lookback
