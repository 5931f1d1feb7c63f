// y = ln x: -infinity at 0, NaN below.
// x, y: contiguous, one shape, one floating dtype; computed in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct LogForward {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&LogForward::y, &LogForward::x);
};

inline Slot<LogForward> log_forward{"log_forward"};

}  // namespace lookback::kernels
