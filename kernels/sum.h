// y = scale * sum of x over the dimensions in which y has size one (kept), or, where y and x have
// equal sizes, scale * x. x: any strides; y: contiguous, of x's rank. One dtype. Sums in the
// accumulator dtype, in chunks of fixed size, so in a fixed order; integers leave scale out.
// workspace: u8, as many as workspace_bytes() says.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct SumForwardArgs {
  In x;
  Out y, workspace = {};
  double scale = 1;  // 1 / number of terms: the mean
  static constexpr auto dependency = reduce(&SumForwardArgs::y, &SumForwardArgs::x);
};

// Filled by kernels/cpu/sum.cpp and kernels/cuda/sum.cu.
inline Slot<SumForwardArgs> sum_forward{"sum_forward"};

}  // namespace lookback::kernels
