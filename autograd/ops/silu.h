#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x / (1 + e^-x) (Elfwing et al. 2017; swish). Saves x. Throws for integers.
Tensor silu(const Tensor& x);

}  // namespace lookback
