// Tensors from one device to another.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

// The same elements on `device`, contiguous there; `x` itself where it lies there already. x must
// be contiguous. No gradient flows through it: throws Error for a tensor with a history. Between
// the host and a GPU; waits until the elements have arrived.
Tensor to_device(const Tensor& x, Device device);

// The elements of `from` into the memory of `to`: equal shapes and dtypes, both contiguous.
void transfer(const Tensor& from, const Tensor& to);

}  // namespace lookback
