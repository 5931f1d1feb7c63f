// y = -x. x, y: any strides, one shape and dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct NegateForward {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&NegateForward::y, &NegateForward::x);
};

inline Slot<NegateForward> negate_forward{"negate_forward"};

}  // namespace lookback::kernels
