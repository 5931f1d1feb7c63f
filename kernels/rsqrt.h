// y = 1 / sqrt(x).
// x, y: contiguous, one shape, one floating dtype; computed in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct RsqrtForward {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&RsqrtForward::y, &RsqrtForward::x);
};

// dx = -dy y^3 / 2. Operands as above.
struct RsqrtBackward {
  In dy, y;
  Out dx;
};

inline Slot<RsqrtForward> rsqrt_forward{"rsqrt_forward"};
inline BackwardSlot<RsqrtBackward> rsqrt_backward{"rsqrt_backward"};

}  // namespace lookback::kernels
