// Cross entropy of rows of logits against one integer each, in nats:
//   nats[r] = ln(sum_v e^logits[r, v]) - logits[r, targets[r]],  0 where targets[r] = ignore_index
//   loss_sum = sum_r nats[r],  count = number of rows not ignored,
//   correct = number of those whose target is the first of their largest logits
// logits: [N, V], columns contiguous, rows at any stride; targets: [..] i64 contiguous, N in all;
// loss_sum []; count, correct [] i64, correct absent where it is not wanted; nats, maximum, sum
// [N]. The largest logit of a row is subtracted first. All in the accumulator dtype, loss_sum added
// up in f64. maximum[r] and sum[r] = sum_v e^(logits[r, v] - maximum[r]) are kept for backward. A
// NaN logit makes its row's nats NaN. workspace: u8, as many as workspace_bytes() says. Throws
// Error for a target that is neither in [0, V) nor ignore_index.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct CrossEntropyForwardArgs {
  In logits, targets;
  Out loss_sum, count, correct, nats, maximum, sum, workspace;
  std::int64_t ignore_index;
  static constexpr auto dependency =
      everything(outputs(&CrossEntropyForwardArgs::loss_sum, &CrossEntropyForwardArgs::count,
                         &CrossEntropyForwardArgs::correct, &CrossEntropyForwardArgs::nats,
                         &CrossEntropyForwardArgs::maximum, &CrossEntropyForwardArgs::sum),
                 &CrossEntropyForwardArgs::logits, &CrossEntropyForwardArgs::targets);
};

// dlogits[r, v] = dloss_sum (e^(logits[r, v] - maximum[r]) / sum[r] - (v = targets[r])); rows that
// are ignored get 0. dloss_sum: []; dlogits: [N, V] contiguous.
struct CrossEntropyBackwardArgs {
  In dloss_sum, logits, targets, maximum, sum;
  Out dlogits;
  std::int64_t ignore_index;
};

// Filled by kernels/cpu/cross_entropy.cpp and kernels/cuda/cross_entropy.cu.
inline Slot<CrossEntropyForwardArgs> cross_entropy_forward{"cross_entropy_forward"};
inline BackwardSlot<CrossEntropyBackwardArgs> cross_entropy_backward{"cross_entropy_backward"};

}  // namespace lookback::kernels
