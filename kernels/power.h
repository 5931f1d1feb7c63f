// y = x ^ p, with p an operand broadcast against x by numpy's rule, or one constant. As C's pow:
// NaN for x < 0 unless p is whole. x, exponent: any strides, one floating dtype; y: contiguous.
// Computed in the accumulator dtype, to which the constant is rounded.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct PowerForward {
  In x, exponent;  // exponent absent: `constant`
  Out y;
  double constant;
  static constexpr auto dependency =
      elementwise(&PowerForward::y, &PowerForward::x, &PowerForward::exponent);
};

// dx = dy p x^(p - 1), 0 where p is 0. dexponent = dy y ln x, and 0 where x is 0 and p >= 0.
// dx and dexponent have y's shape, before broadcasting is undone; absent where not needed.
struct PowerBackward {
  In dy, x, exponent;
  Out dx, dexponent;
  double constant;
};

inline Slot<PowerForward> power_forward{"power_forward"};
inline BackwardSlot<PowerBackward> power_backward{"power_backward"};

}  // namespace lookback::kernels
