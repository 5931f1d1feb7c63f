// y = a * b, broadcast by numpy's rule. y: contiguous, its shape the broadcast of both; it may be
// the memory of a or b where their shapes are equal. a, b: any strides. One dtype; computed in
// the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct MultiplyForward {
  In a, b;
  Out y;
  static constexpr auto dependency =
      elementwise(&MultiplyForward::y, &MultiplyForward::a, &MultiplyForward::b)
          .absorbing(Absorbs::zero);
};

inline Slot<MultiplyForward> multiply_forward{"multiply_forward"};

}  // namespace lookback::kernels
