// y[r, c] = e^(x[r, c] - m[r]) / sum_c e^(x[r, c] - m[r]),  m[r] = max_c x[r, c]
// -inf is a hidden entry: exactly 0, and a row of nothing else is 0 as a whole. x, y:
// [rows, columns], columns contiguous, rows at any stride. One floating dtype; sums in the
// accumulator dtype.
#pragma once

#include "kernels/dependency.h"
#include "kernels/slot.h"

namespace lookback::kernels {

struct SoftmaxForward {
  In x;
  Out y;
  static constexpr auto dependency = softmax(&SoftmaxForward::y, &SoftmaxForward::x);
};

// dx = y (dy - sum_c y dy), exactly 0 where y is 0, whatever dy is there.
struct SoftmaxBackward {
  In dy, y;
  Out dx;
};

inline Slot<SoftmaxForward> softmax_forward{"softmax_forward"};
inline BackwardSlot<SoftmaxBackward> softmax_backward{"softmax_backward"};

}  // namespace lookback::kernels
