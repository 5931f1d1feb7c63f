// y = sum of x over the dimensions in which y has size one (kept), or, where y and x have equal
// sizes, x. x: any strides; y: contiguous, of x's rank. Sums in the accumulator dtype, in a fixed
// order. One dtype.
#pragma once

#include "kernels/dependency.h"
#include "kernels/slot.h"

namespace lookback::kernels {

struct SumForward {
  In x;
  Out y;
  static constexpr auto dependency = reduce(&SumForward::y, &SumForward::x);
};

inline Slot<SumForward> sum_forward{"sum_forward"};

}  // namespace lookback::kernels
