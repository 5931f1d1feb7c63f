// Batched matrix products on strided views:
//   y[.., m, n] = alpha * sum_k a[.., m, k] b[.., k, n]
// The leading dimensions of a and b broadcast by numpy's rule; y has the broadcast ones (a rank of
// at most six in all). A transposed operand is a view with swapped strides. In a and b one of the
// last two dimensions has stride 1 or size 1 (see in_place()); in y it is the last. f32, f64, bf16;
// y has the dtype of a and b, or f32 for bf16 operands. Sums in f32 for f32 and bf16, in f64 for
// f64; a bf16 result is rounded once. y overlaps neither operand.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct MatmulForwardArgs {
  In a;   // [.., M, K]
  In b;   // [.., K, N]
  Out y;  // [.., M, N]
  double alpha = 1.0;
  static constexpr auto dependency =
      contract(&MatmulForwardArgs::y, &MatmulForwardArgs::a, &MatmulForwardArgs::b);
};
// Filled by kernels/cpu/matmul.cpp and kernels/cuda/matmul.cpp.
inline Slot<MatmulForwardArgs> matmul_forward{"matmul_forward"};

// Adds to y instead of replacing it. Here y may lack, or have as 1, leading dimensions that a and b
// broadcast to: it receives the sum over them, in order. This is how a gradient comes back to an
// operand that was broadcast.
struct MatmulBackwardArgs {
  In a;     // [.., M, K]
  In b;     // [.., K, N]
  InOut y;  // [.., M, N]
  double alpha = 1.0;
  Out workspace = {};  // u8, as many as the slot says
};
inline BackwardSlot<MatmulBackwardArgs> matmul_backward{"matmul_backward"};

// Whether the kernels can read this operand where it lies.
inline bool in_place(const TensorView& x) {
  const auto one = [&](int dim) { return x.strides[dim] == 1 || x.sizes[dim] <= 1; };
  return one(-1) || one(-2);
}

}  // namespace lookback::kernels
