// y = x / (1 + e^-x) (Elfwing et al. 2017; swish).
// x, y: contiguous, one shape, one floating dtype; computed in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct SiluForward {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&SiluForward::y, &SiluForward::x);
};

// dx = dy s (1 + x (1 - s)), s = 1 / (1 + e^-x). Operands as above.
struct SiluBackward {
  In dy, x;
  Out dx;
};

inline Slot<SiluForward> silu_forward{"silu_forward"};
inline BackwardSlot<SiluBackward> silu_backward{"silu_backward"};

}  // namespace lookback::kernels
