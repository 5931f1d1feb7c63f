// Which variant the weights of a file belong to, by the names of its extra parameters.
#pragma once

#include <string>
#include <vector>

#include "nn/layer/config.h"

namespace lookback {

// The first preset whose extra parameters, those that a plain Llama has not, bear the same names
// below their layers as the given ones do; "llama" where there are none; empty: no preset does.
std::string variant_of_weights(const std::vector<std::string>& names);

// For load_parameters(): says which preset the names look like, where it is not the model's own.
std::string variant_advice(const LlamaConfig& config, const std::vector<std::string>& names);

// The config with the variant that checkpoints of this model_type mean: of method5-v4 there are
// two, told apart by their weights' names, and of a DeepSeek whose q_lora_rank is missing.
LlamaConfig config_for_weights(LlamaConfig config, const std::vector<std::string>& names);

}  // namespace lookback
