#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x seen with a larger shape by numpy's rule; a view with strides of 0. Throws where x does not
// broadcast to it.
Tensor broadcast_to(const Tensor& x, const Shape& shape);

}  // namespace lookback
