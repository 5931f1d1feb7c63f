// What the operations on two tensors share.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

// An uninitialized tensor for the result of `operation` on a and b, broadcast by numpy's rule.
// Throws where they do not broadcast or are not of one dtype.
inline Tensor broadcast_result(std::string_view operation, const Tensor& a, const Tensor& b) {
  const Check check{operation};
  check(a.dtype() == b.dtype(), "a {} and b {} must have one dtype", a.dtype(), b.dtype());
  return empty(broadcast_shapes(operation, a.shape(), b.shape()), a.dtype(), a.device());
}

}  // namespace lookback
