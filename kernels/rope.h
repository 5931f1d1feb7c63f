// Rotary position embedding (Su et al. 2021) in the half-split convention of Llama: the pairs are
// (i, i + dk / 2). With p = position_offset + t,
//   y[b, t, h, i]          = x[b, t, h, i] cos[p, i] - x[b, t, h, i + dk / 2] sin[p, i]
//   y[b, t, h, i + dk / 2] = x[b, t, h, i + dk / 2] cos[p, i] + x[b, t, h, i] sin[p, i]
// x, y: [B, T, H, dk], the last dimension contiguous, the others of any strides, so that heads are
// split without a copy; cos, sin: [P, dk / 2] contiguous, in the accumulator dtype of x. Arithmetic
// in the accumulator dtype. y may be bf16 where x is f32, rounded once, and the other way round in
// backward: dx may be bf16 where dy is f32.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct RopeForwardArgs {
  In x, cos, sin;
  Out y;
  std::int64_t position_offset;
  static constexpr auto dependency =
      each_row(outputs(&RopeForwardArgs::y), rows(&RopeForwardArgs::x),
               shared(&RopeForwardArgs::cos, &RopeForwardArgs::sin));
};

// The rotation by minus the angle: dx from dy.
struct RopeBackwardArgs {
  In dy, cos, sin;
  Out dx;
  std::int64_t position_offset;
};

// Filled by kernels/cpu/rope.cpp and kernels/cuda/rope.cu.
inline Slot<RopeForwardArgs> rope_forward{"rope_forward"};
inline BackwardSlot<RopeBackwardArgs> rope_backward{"rope_backward"};

}  // namespace lookback::kernels
