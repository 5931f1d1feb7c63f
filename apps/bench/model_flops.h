// The operations that a model asks for, whatever a program makes of it.
#pragma once

#include <cstdint>

#include "nn/llama/llama.h"

namespace lookback {

// Keys that a query of a layer sees, the mean over queries and heads of a whole sequence: half of
// it, as is usually counted, or what the pattern shows of it.
double mean_keys_seen(const LlamaConfig& config, std::int64_t layer, std::int64_t tokens);

// Of a training step, per token: six for each multiply-add of a forward pass, in products with
// parameters (the projection to the vocabulary is one, the embedding is not) and in each layer's
// own attention (AttentionWork). Layers that run again and accumulated scores are not counted.
double model_flops_per_token(const Llama& llama, std::int64_t block_size);

}  // namespace lookback
