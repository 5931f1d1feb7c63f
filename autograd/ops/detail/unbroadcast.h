// The backward of broadcasting.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

// dy summed over the dimensions that `shape` was broadcast along, so that the result has `shape`;
// dy itself where nothing was.
Tensor unbroadcast(const Tensor& dy, const Shape& shape);

}  // namespace lookback
