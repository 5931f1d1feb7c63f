// Next-token losses: sums over the tokens, so that a batch in several pieces can be divided by the
// number of them all.
#pragma once

#include <cstdint>

#include "runtime/tensor.h"

namespace lookback {

struct CrossEntropyOptions {
  std::int64_t ignore_index = -100;  // rows with this target do not count
  bool count_correct = false;        // fill CrossEntropyResult::correct
  // Fill CrossEntropyResult::nats. Refused where a gradient is recorded: none would flow through
  // it.
  bool keep_nats = false;
};

struct CrossEntropyResult {
  Tensor loss_sum;  // [] nats over the rows that count, in the accumulator dtype; differentiable
  Tensor count;     // [] i64: the rows that count
  Tensor correct;   // [] i64: those whose target is the first of their largest logits
  Tensor nats;      // targets' shape, accumulator dtype; 0 where ignored
};

// Cross entropy in nats of logits [.., V] against targets [..] i64. The log-softmax is in the
// accumulator dtype. With no row that counts, loss_sum and the gradient are 0. Saves logits and two
// numbers per row. Throws for a target outside [0, V) that is not ignore_index, naming its
// position, and for other shapes.
CrossEntropyResult cross_entropy(const Tensor& logits, const Tensor& targets,
                                 const CrossEntropyOptions& options = {});

// loss_sum / max(count, 1): differentiable.
Tensor mean_loss(const CrossEntropyResult& result);

}  // namespace lookback
