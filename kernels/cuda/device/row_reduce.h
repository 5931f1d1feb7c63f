// Sums and largest elements over the threads of a warp or a block, in an order that depends on
// their number alone. Every thread that takes part gets the result.
#pragma once

#include "kernels/cuda/device/device.h"

namespace lookback::device {

struct Plus {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};

// The larger one; NaN where either is NaN.
struct Larger {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};

struct Smaller {
  template <class T>
  LOOKBACK_DEVICE T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};

template <class T, class Combine>
LOOKBACK_DEVICE T reduce_warp(T value, const Combine& combine) {
  for (int lanes = warp_threads / 2; lanes > 0; lanes /= 2) {
    value = combine(value, shuffle_xor(value, lanes));
  }
  return value;
}

// Over all `threads` of the block, a multiple of 32. `scratch`: shared memory for one T per warp,
// which may be used again after the call.
template <int threads, class T, class Combine>
LOOKBACK_DEVICE T reduce_block(T value, T* scratch, const Combine& combine) {
  constexpr int warps = threads / warp_threads;
  value = reduce_warp(value, combine);
  if constexpr (warps == 1) return value;
  const int thread = thread_index();
  if (thread % warp_threads == 0) scratch[thread / warp_threads] = value;
  sync_block();
  value = scratch[0];
  for (int warp = 1; warp < warps; ++warp) value = combine(value, scratch[warp]);
  sync_block();
  return value;
}

}  // namespace lookback::device
