#pragma once

#include "kernels/copy.h"
#include "runtime/tensor.h"

namespace lookback {

// The same elements in memory of their own, contiguous, without a gradient history.
inline Tensor copy_of(const Tensor& x) {
  const auto result = empty(x.shape(), x.dtype(), x.device());
  kernels::copy_forward(x.backend(), {.x = x, .y = result});
  return result;
}

}  // namespace lookback
