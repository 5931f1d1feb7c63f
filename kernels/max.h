// y = the largest element of x over the dimensions in which y has size one (kept); index: where it
// is among those it was taken from, counted in row-major order; the first of equal ones. NaN counts
// as larger than any number. x: any strides, at least one element per result; y of x's dtype, index
// i64: contiguous, of x's rank; either may be absent.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct MaxForwardArgs {
  In x;
  Out y, index;
  static constexpr auto dependency =
      reduce(outputs(&MaxForwardArgs::y, &MaxForwardArgs::index), &MaxForwardArgs::x);
};

// dx = dy where index points to, 0 elsewhere. dy: any strides, of index's shape; dx: contiguous.
struct MaxBackwardArgs {
  In dy, index;
  Out dx;
};

// Filled by kernels/cpu/max.cpp and kernels/cuda/max.cu.
inline Slot<MaxForwardArgs> max_forward{"max_forward"};
inline BackwardSlot<MaxBackwardArgs> max_backward{"max_backward"};

}  // namespace lookback::kernels
