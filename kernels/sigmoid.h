// y = 1 / (1 + e^-x) (the logistic function).
// x, y: contiguous, one shape, one floating dtype; computed in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct SigmoidForward {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&SigmoidForward::y, &SigmoidForward::x);
};

// dx = dy y (1 - y). Operands as above.
struct SigmoidBackward {
  In dy, y;
  Out dx;
};

inline Slot<SigmoidForward> sigmoid_forward{"sigmoid_forward"};
inline BackwardSlot<SigmoidBackward> sigmoid_backward{"sigmoid_backward"};

}  // namespace lookback::kernels
