// y = e^x.
// x, y: contiguous, one shape, one floating dtype; computed in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct ExpForward {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&ExpForward::y, &ExpForward::x);
};

inline Slot<ExpForward> exp_forward{"exp_forward"};

}  // namespace lookback::kernels
