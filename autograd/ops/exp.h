#pragma once

#include "runtime/tensor.h"

namespace lookback {

// e^x. Saves the result. Throws for integers.
Tensor exp(const Tensor& x);

}  // namespace lookback
