// Runs of the second opinion (reference/) beside runs of the model, and how far they are apart.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "apps/data/token_source.h"
#include "apps/diagnosis/as_reference.h"
#include "nn/llama/llama.h"

namespace lookback {

// The reference's run of each row of ids [B, T].
std::vector<reference::Run> runs_of(const reference::Config& config,
                                    const reference::Weights& weights, const Tensor& ids);

// The mean over the batch's valid targets, and the mean over its rows of what routers add.
double reference_loss(const reference::Config& config, const reference::Weights& weights,
                      const TokenBatch& batch);

// Multiply-adds of a run, about: a weight each for each token, all positions beside each other.
double cost_of_run(const reference::Weights& weights, const LlamaConfig& config,
                   std::int64_t tokens);

// Whether a layer's attention chooses its heads or experts by token: rounding, or a step of a
// difference quotient, may turn the choice.
bool has_router(const LlamaConfig& config);

// The largest |a - b| of row `row` of ours [B, ..], beside the largest |b|; NaN where one is.
double difference_of(const Tensor& ours, std::int64_t row, std::span<const double> theirs);
// The largest over all rows of logits [B, T, V].
double difference_of_logits(const Tensor& ours, const std::vector<reference::Run>& theirs);
// The median over all positions of |a - b| / |b|, of logits [B, T, V] as vectors over the words:
// what a router that rounding turns at one token changes there says nothing of the others.
double usual_difference_of_logits(const Tensor& ours, const std::vector<reference::Run>& theirs);

// The first thing that differs by more than `bound`, of a run that was written down:
// "model.layers.0.self_attn, in its weights".
std::string first_difference(const Trace& trace, const std::vector<reference::Run>& theirs,
                             double bound);

}  // namespace lookback
