// y[i] = standard_deviation z(seed, stream, i): the i-th standard normal number of that stream
// (runtime/philox.h), times the deviation in f64, rounded once to y's dtype: the same bits on every
// device. y: floating, contiguous.
#pragma once

#include "kernels/core/slot.h"

namespace lookback::kernels {

struct NormalFill {
  Out y;
  double standard_deviation;
  std::uint64_t seed, stream;
};

// Filled by kernels/cpu/normal_fill.cpp and kernels/cuda/normal_fill.cu.
inline UpdateSlot<NormalFill> normal_fill{"normal_fill"};

}  // namespace lookback::kernels
