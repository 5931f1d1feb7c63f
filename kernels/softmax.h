// y[r, c] = e^(x[r, c] - m[r]) / sum_c e^(x[r, c] - m[r]),  m[r] = max_c x[r, c]
// -inf is a hidden entry: exactly 0, and a row of nothing else is 0 as a whole. x, y:
// [rows, columns], columns contiguous, rows at any stride. One floating dtype; sums in the
// accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct SoftmaxForwardArgs {
  In x;
  Out y;
  static constexpr auto dependency = softmax(&SoftmaxForwardArgs::y, &SoftmaxForwardArgs::x);
};

// dx = y (dy - sum_c y dy), exactly 0 where y is 0, whatever dy is there.
struct SoftmaxBackwardArgs {
  In dy, y;
  Out dx;
};

// Filled by kernels/cpu/softmax.cpp and kernels/cuda/softmax.cu.
inline Slot<SoftmaxForwardArgs> softmax_forward{"softmax_forward"};
inline BackwardSlot<SoftmaxBackwardArgs> softmax_backward{"softmax_backward"};

}  // namespace lookback::kernels
