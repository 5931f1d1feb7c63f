#pragma once

#include "runtime/tensor.h"

namespace lookback {

// 1 / (1 + e^-x) (the logistic function). Saves the result. Throws for integers.
Tensor sigmoid(const Tensor& x);

}  // namespace lookback
