// Cross entropy of logits = x weight^T against one integer per row, in chunks of rows, so that the
// [N, V] logits never exist (kernels/cross_entropy.h has the formulas of loss_sum, count, correct
// and nats). With dx or dweight present it also makes the gradients of loss_sum while a chunk's
// logits are at hand, so that backward needs no product:
//   dlogits[r, v] = e^(logits[r, v]) / sum_u e^(logits[r, u]) - (v = targets[r]), 0 in ignored rows
//   dx = dlogits weight,  dweight = dlogits^T x
// x: [N, D] and weight: [V, D], columns contiguous, rows at any stride, f32, f64 or bf16; all else
// in their accumulator dtype, except that bf16 operands meet dlogits rounded to bf16. targets: [..]
// i64 contiguous, N in all; loss_sum []; count, correct [] i64; nats: [..]; dx: [.., D]; dweight:
// [V, D]. correct, dx and dweight may be absent. Scratch: logits [R, V], of which the chunk is R
// rows, and rounded_dlogits [R, V] bf16, present with bf16 operands and gradients. Sums over rows
// are added up in the order of the rows. Throws Error for a target that is neither in [0, V) nor
// ignore_index.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct LinearCrossEntropyForwardArgs {
  In x, weight, targets;
  Out loss_sum, count, correct, nats, dx, dweight, logits, rounded_dlogits;
  std::int64_t ignore_index;
  Out workspace = {};  // u8, as many as the slot says
  static constexpr auto dependency = everything(
      outputs(&LinearCrossEntropyForwardArgs::loss_sum, &LinearCrossEntropyForwardArgs::count,
              &LinearCrossEntropyForwardArgs::correct, &LinearCrossEntropyForwardArgs::nats,
              &LinearCrossEntropyForwardArgs::dx, &LinearCrossEntropyForwardArgs::dweight,
              &LinearCrossEntropyForwardArgs::logits,
              &LinearCrossEntropyForwardArgs::rounded_dlogits),
      &LinearCrossEntropyForwardArgs::x, &LinearCrossEntropyForwardArgs::weight,
      &LinearCrossEntropyForwardArgs::targets);
};

// Filled by kernels/cpu/linear_cross_entropy.cpp and kernels/cuda/linear_cross_entropy.cu.
inline Slot<LinearCrossEntropyForwardArgs> linear_cross_entropy_forward{
    "linear_cross_entropy_forward"};

}  // namespace lookback::kernels
