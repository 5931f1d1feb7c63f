// The k largest of each row's n entries:
//   index[.., j] = where the j-th largest is; of equal ones the lower place first
//   chosen[.., i] = 1 where i is one of them, else 0
// NaN counts as larger than any number. x [rows, n]: dense rows, at any stride; index i64
// [rows, k], chosen [rows, n] of x's dtype: contiguous; 1 <= k <= n. A row depends on that row of x
// alone.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct TopKArgs {
  In x;
  Out index, chosen;
  static constexpr auto dependency =
      each_row(outputs(&TopKArgs::index, &TopKArgs::chosen), rows(&TopKArgs::x));
};

// Filled by kernels/cpu/top_k.cpp and kernels/cuda/top_k.cu.
inline Slot<TopKArgs> top_k_forward{"top_k_forward"};

}  // namespace lookback::kernels
