// Rows times the matrices that are chosen for them (the experts of a mixture; Shazeer et al. 2017):
//   y[n, s O + o] = sum_i x[n, i] weight[experts[n, s], i, o],  s < S
// x [N, I]: dense rows, at any stride; weight [E, I, O]: one of the last two dimensions has stride
// 1 or size 1; experts i64 [N, S], contiguous; y [N, S O], contiguous, of x's dtype, or f32 for
// bf16.
// f32, f64, bf16; sums in f32 for f32 and bf16, in f64 for f64; a bf16 result is rounded once.
// Rows that chose one expert are gathered and multiplied together. A row's bits do not depend on
// which others chose its experts (kernels/cpu/gemm.h). Throws Error naming position, expert and
// their number where an expert is not in [0, E).
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct ExpertLinearForwardArgs {
  In x, weight, experts;
  Out y;
  Out workspace = {};  // u8, as many as the slot says
  static constexpr auto dependency =
      each_row(&ExpertLinearForwardArgs::y,
               rows(&ExpertLinearForwardArgs::x, &ExpertLinearForwardArgs::experts),
               shared(&ExpertLinearForwardArgs::weight));
};

// dweight[e, o, i] = sum of dy[n, s O + o] x[n, i] over the (n, s) with experts[n, s] = e, in a
// fixed order; 0 for an expert that no row chose. dweight [E, O, I]: contiguous, of dy's dtype, or
// f32 for bf16. dy [N, S O], contiguous, of x's dtype. The experts have been checked by forward.
struct ExpertLinearBackwardArgs {
  In dy, x, experts;
  Out dweight;
  Out workspace = {};  // u8, as many as the slot says
};

// Filled by kernels/cpu/expert_linear.cpp and kernels/cuda/expert_linear.cu.
inline Slot<ExpertLinearForwardArgs> expert_linear_forward{"expert_linear_forward"};
inline BackwardSlot<ExpertLinearBackwardArgs> expert_linear_backward{"expert_linear_backward"};

}  // namespace lookback::kernels
