#pragma once

#include "runtime/tensor.h"

namespace lookback {

// Softmax over the last dimension (others: transpose). -inf is a hidden entry: its result is
// exactly 0 and so is its gradient; a row of nothing else is 0 as a whole. Saves the result. Throws
// for integers and for a number without dimensions.
Tensor softmax(const Tensor& x);

}  // namespace lookback
