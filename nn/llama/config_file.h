// config.json, read and written: Hugging Face's, plus the keys of the variants.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nn/layer/config.h"
#include "runtime/dtype.h"

namespace lookback {

// From the text of a config.json. `where` (a path) stands at the head of every message. Missing
// keys, and those that are null: num_key_value_heads is num_attention_heads, head_dim is
// hidden_size / num_attention_heads, others have LlamaConfig's defaults; those of a stock model
// (stock_model.h) have the defaults of its class. Throws Error for broken JSON, wrong types,
// impossible sizes, and keys that are not known (they might change the computation) with the
// nearest one that is.
LlamaConfig parse_llama_config(std::string_view json, std::string_view where);
// `path`: the file, or a folder that holds a config.json.
LlamaConfig read_llama_config(const std::string& path);

// A config.json, indented, ending in a newline. Where a class of transformers computes the config,
// it is that class's, which opens it. `weights` is the dtype of the weights beside it.
std::string to_json(const LlamaConfig& config, DType weights = DType::f32);
// The same in the keys of a Llama and ours alone, on which presets are laid.
std::string to_json_in_own_keys(const LlamaConfig& config);

// The configs that the program brings along, by name.
std::vector<std::string> built_in_config_names();
// Throws Error, naming the nearest, for another name.
LlamaConfig built_in_llama_config(std::string_view name);

}  // namespace lookback
