#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x with two dimensions (negative: from the end) exchanged; a view. Throws when one is out of
// range.
Tensor transpose(const Tensor& x, int first, int second);

}  // namespace lookback
