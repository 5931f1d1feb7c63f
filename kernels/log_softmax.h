// y[r, c] = x[r, c] - m[r] - ln sum_c e^(x[r, c] - m[r]),  m[r] = max_c x[r, c]
// -inf is a hidden entry and stays -inf, also in a row of nothing else. x, y: [rows, columns],
// columns contiguous, rows at any stride. One floating dtype; sums in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct LogSoftmaxForwardArgs {
  In x;
  Out y;
  static constexpr auto dependency =
      each_row(outputs(&LogSoftmaxForwardArgs::y), rows(&LogSoftmaxForwardArgs::x));
};

// dx = dy - e^y sum_c dy, over the entries that are not hidden; exactly 0 at those that are.
struct LogSoftmaxBackwardArgs {
  In dy, y;
  Out dx;
};

// Filled by kernels/cpu/log_softmax.cpp and kernels/cuda/log_softmax.cu.
inline Slot<LogSoftmaxForwardArgs> log_softmax_forward{"log_softmax_forward"};
inline BackwardSlot<LogSoftmaxBackwardArgs> log_softmax_backward{"log_softmax_backward"};

}  // namespace lookback::kernels
