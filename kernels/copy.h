// y = x, converted to y's dtype; both may be strided, of one shape (x broadcasts to y).
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct CopyForwardArgs {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&CopyForwardArgs::y, &CopyForwardArgs::x);
};

// Filled by kernels/cpu/copy.cpp and kernels/cuda/copy.cu.
inline Slot<CopyForwardArgs> copy_forward{"copy_forward"};

}  // namespace lookback::kernels
