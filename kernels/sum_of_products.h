// The sum of several matrix products in one result, which is written once:
//   y[m, n] = alpha * sum_i sum_k a[i][m, k] b[i][k, n] + bias[n]
// the product of the a[i] side by side and the b[i] on top of each other, none of them copied.
// a[i] [M, K_i] and b[i] [K_i, N], at least one pair: one of the dimensions has stride 1 or size 1
// (in_place() in kernels/matmul.h); K_i may differ, and be 0. y [M, N]: dense rows, at any stride.
// f32, f64, bf16; y has the dtype of the operands, or f32 for bf16 operands; bias has y's. Sums in
// f32 for f32 and bf16, in f64 for f64, in the order of the list; a bf16 result is rounded once.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct SumOfProductsForwardArgs {
  InList a;
  InList b;
  In bias = {};  // [N], dense; absent: 0
  Out y;
  double alpha = 1.0;
  Out workspace = {};  // u8, as many as the slot says
  static constexpr auto dependency =
      contract_each(&SumOfProductsForwardArgs::y, &SumOfProductsForwardArgs::a,
                    &SumOfProductsForwardArgs::b, &SumOfProductsForwardArgs::bias);
};
// Filled by kernels/cpu/sum_of_products.cpp and kernels/cuda/sum_of_products.cpp.
inline Slot<SumOfProductsForwardArgs> sum_of_products_forward{"sum_of_products_forward"};

}  // namespace lookback::kernels
