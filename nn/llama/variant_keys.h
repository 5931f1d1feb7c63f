// The keys of config.json that make a variant of the Llama: cross_layer_residual,
// score_accumulation, attention_mechanism and fault, and the model types that once stood for them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "nn/layer/config.h"

namespace lookback {

// Reads them into `config`. A model_type of METHODS' older checkpoints sets what the keys do not.
// Throws Error for unknown keys, values and model types, with those that are known.
void read_variant(const nlohmann::json& object, std::string_view where, LlamaConfig& config);

// Whether any of them is set.
bool is_variant(const LlamaConfig& config);

// Writes the keys of a variant; nothing for the plain Llama.
void write_variant(const LlamaConfig& config, nlohmann::ordered_json& object);

// model_type and architectures: llama for the plain one, so that transformers opens it; for a
// variant a type that transformers refuses, for it would compute something else.
void write_model_type(const LlamaConfig& config, nlohmann::ordered_json& object);

}  // namespace lookback
