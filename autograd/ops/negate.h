#pragma once

#include "runtime/tensor.h"

namespace lookback {

// -x. Saves nothing.
Tensor negate(const Tensor& x);
inline Tensor operator-(const Tensor& x) { return negate(x); }

}  // namespace lookback
