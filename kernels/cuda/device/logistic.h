// The logistic function of silu, gelu and sigmoid.
#pragma once

#include "kernels/cuda/device/device.h"

namespace lookback::device {

// 1 / (1 + e^-x): 0 and 1 at the ends, without a NaN.
template <class T>
LOOKBACK_DEVICE T logistic(T x) {
  return T(1) / (T(1) + device::exp(-x));
}

}  // namespace lookback::device
