// y = the hyperbolic tangent of x.
// x, y: contiguous, one shape, one floating dtype; computed in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct TanhForward {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&TanhForward::y, &TanhForward::x);
};

// dx = dy (1 - y^2). Operands as above.
struct TanhBackward {
  In dy, y;
  Out dx;
};

inline Slot<TanhForward> tanh_forward{"tanh_forward"};
inline BackwardSlot<TanhBackward> tanh_backward{"tanh_backward"};

}  // namespace lookback::kernels
