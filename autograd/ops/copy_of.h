// Elements into other memory, without a gradient history.
#pragma once

#include "kernels/copy.h"
#include "runtime/tensor.h"

namespace lookback {

// x in the memory of y: of its shape, in y's dtype, on its device.
inline void copy_into(const Tensor& x, const Tensor& y) {
  kernels::copy_forward(x.backend(), {.x = x, .y = y});
  y.storage()->bump_version();
}

// The same elements in memory of their own, contiguous.
inline Tensor copy_of(const Tensor& x) {
  const auto result = empty(x.shape(), x.dtype(), x.device());
  copy_into(x, result);
  return result;
}

}  // namespace lookback
