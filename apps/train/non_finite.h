// Where a number first went wrong.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/train/evaluate.h"
#include "nn/llama/llama.h"

namespace lookback {

// Runs a step, forward and backward, and looks at what every operation writes. The first that wrote
// a NaN or an infinity, with the ranges of its inputs; none: no operation did. (The -inf that
// mask_scores writes for the softmax is no such number.)
std::optional<std::string> find_non_finite(const Llama& llama,
                                           const std::vector<TokenBatch>& micro_batches);

// Runs a step once more, forward and backward, and looks at what every operation writes. Names the
// first that wrote a NaN or an infinity: "silu_mul of model.layers.2.mlp in the forward pass wrote
// nan first", with the parameter that held one already where that is the cause.
std::string first_non_finite(const Llama& llama, const std::vector<TokenBatch>& micro_batches);

// The same for an evaluation, forward alone.
std::string first_non_finite(const Llama& llama, const TokenSource& source,
                             const EvaluationPlan& plan);

}  // namespace lookback
