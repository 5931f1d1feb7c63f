#pragma once

#include "runtime/tensor.h"

namespace lookback {

// ln x: -infinity at 0, NaN below. Saves x. Throws for integers.
Tensor log(const Tensor& x);

}  // namespace lookback
