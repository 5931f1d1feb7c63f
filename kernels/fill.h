// y = value, every element, converted to y's dtype. y may be strided.
#pragma once

#include "kernels/core/slot.h"

namespace lookback::kernels {

struct Fill {
  Out y;
  double value;
};

// Filled by kernels/cpu/fill.cpp and kernels/cuda/fill.cu.
inline UpdateSlot<Fill> fill{"fill"};

}  // namespace lookback::kernels
