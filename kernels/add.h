// y = a + b, broadcast by numpy's rule. y: contiguous, its shape the broadcast of both; it may be
// the memory of a or b where their shapes are equal. a, b: any strides. One dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct AddForward {
  In a, b;
  Out y;
  static constexpr auto dependency = elementwise(&AddForward::y, &AddForward::a, &AddForward::b)
                                         .absorbing(Absorbs::minus_infinity);
};

inline Slot<AddForward> add_forward{"add_forward"};

}  // namespace lookback::kernels
