// The gradients of one optimizer step: forward and backward of every micro-batch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "apps/data/token_source.h"
#include "apps/train/token_tensors.h"
#include "nn/gradient_exchange.h"
#include "nn/llama/llama.h"
#include "nn/schedule.h"

namespace lookback {

struct StepMeasures {
  double loss = 0;  // nats per valid target, over all micro-batches
  // Of models that have one: the mean over all sequences, which counts as part of the loss in what
  // follows.
  std::optional<double> auxiliary_loss = {};
  double grad_norm = 0;      // of that loss, before clipping
  double loss_scale = 1;     // the gradients held by the parameters times this are that loss's
  std::int64_t tokens = 0;   // fed in
  std::int64_t targets = 0;  // valid ones
  std::int64_t correct = 0;  // of them, those the model found most likely
  bool finite() const;
};

// The same where it was made: a GPU has these numbers when read() has waited for them.
struct StepResults {
  // [3] f64: the sum of the losses, how many were correct, grad_norm; where the model has an
  // auxiliary loss [4]: in front of the last one that loss times the targets.
  Tensor numbers;
  Tensor grad_norm;  // [] f64, of the step's gradients
  double loss_scale = 1;
  std::int64_t tokens = 0, targets = 0;
  StepMeasures read() const;
};

// How the micro-batches of a step are summed: nn/gradient_lanes.h. One lane is their plain sum.
// The lanes are dealt out to the ranks in order, each the same number.
struct StepLanes {
  std::int64_t lanes = 1, micro_batches = 1;
  int rank = 0, ranks = 1;
  GradientExchange* exchange = nullptr;  // with the other ranks, where there are any

  // Of the lanes, from 0.
  std::int64_t lane_of(const TokenBatch& batch) const {
    return batch.micro_batch * lanes / micro_batches;
  }
  bool is_own(const TokenBatch& batch) const { return lane_of(batch) * ranks / lanes == rank; }
};

// Loss = (sum over all micro-batches) / (all valid targets), plus the auxiliary loss where a model
// has one: a mean over sequences, and so over micro-batches by the tokens fed in. The parameters,
// clear before, then hold the gradients of that times the targets: dividing is left to the
// optimizer's gradient scale, where it costs nothing. Of several ranks each is given the batches of
// all, runs its own, and has the numbers of all; its parameters hold the gradients of the part that
// it moves (nn/gradient_exchange.h).
StepMeasures accumulate_gradients(const Llama& llama, const std::vector<TokenBatch>& micro_batches,
                                  const ForwardOptions& forward = {}, const StepLanes& lanes = {});
// Does not wait for a GPU, unless for hooks that do. `inputs`: the micro-batches, where the
// model is.
StepResults queue_gradients(const Llama& llama, const std::vector<TokenBatch>& micro_batches,
                            const std::vector<TokenTensors>& inputs, const ForwardOptions& forward,
                            const StepLanes& lanes = {});

// What the host knows of a step that can be captured before it is queued: all but the tensors.
StepResults expected_results(const std::vector<TokenBatch>& micro_batches);

// What the optimizer is given, and the rate of step `step` (from 0): all parameters and the
// schedule's, but for hooks that say otherwise.
std::vector<NamedParameter> optimized_parameters(const Llama& llama);
double learning_rate_at(const Llama& llama, const Schedule& schedule, std::int64_t step);

}  // namespace lookback
