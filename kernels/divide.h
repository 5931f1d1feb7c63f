// y = a / b, broadcast by numpy's rule. y: contiguous, its shape the broadcast of both; it may be
// the memory of a or b where their shapes are equal. a, b: any strides. One dtype, a floating one;
// computed in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct DivideForward {
  In a, b;
  Out y;
  static constexpr auto dependency =
      elementwise(&DivideForward::y, &DivideForward::a, &DivideForward::b);
};

inline Slot<DivideForward> divide_forward{"divide_forward"};

}  // namespace lookback::kernels
