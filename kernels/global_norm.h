// y = sqrt(sum over all elements of all tensors of x^2). tensors: floating, contiguous, of any
// shapes; y: one f64. Sums in f64, in an order that depends on the shapes alone. workspace: u8, as
// many as the slot says.
#pragma once

#include "kernels/core/slot.h"

namespace lookback::kernels {

struct GlobalNorm {
  InList tensors;
  Out y;
  Out workspace = {};
};

// Filled by kernels/cpu/global_norm.cpp and kernels/cuda/global_norm.cu.
inline UpdateSlot<GlobalNorm> global_norm{"global_norm"};

}  // namespace lookback::kernels
