// y = the square root of x.
// x, y: contiguous, one shape, one floating dtype; computed in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct SqrtForward {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&SqrtForward::y, &SqrtForward::x);
};

inline Slot<SqrtForward> sqrt_forward{"sqrt_forward"};

}  // namespace lookback::kernels
