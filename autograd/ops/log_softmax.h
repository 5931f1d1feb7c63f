#pragma once

#include "runtime/tensor.h"

namespace lookback {

// The logarithm of softmax over the last dimension (others: transpose). -inf is a hidden entry: it
// stays -inf, also in a row of nothing else, and takes no gradient. Saves the result. Throws for
// integers and for a number without dimensions.
Tensor log_softmax(const Tensor& x);

}  // namespace lookback
