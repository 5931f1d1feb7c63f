#pragma once

#include "runtime/tensor.h"

namespace lookback {

// The hyperbolic tangent of x. Saves the result. Throws for integers.
Tensor tanh(const Tensor& x);

}  // namespace lookback
