// The configs that the program brings along; the benchmarks against PyTorch use the same numbers.
#include <map>

#include "nn/llama/config_file.h"
#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

const std::map<std::string, std::string, std::less<>>& built_in_configs() {
  static const std::map<std::string, std::string, std::less<>> configs = {
      {"smoke",  // 3.0 M parameters
       R"({"model_type": "llama", "hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4,
           "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 256,
           "max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
           "initializer_range": 0.02, "tie_word_embeddings": true, "hidden_act": "silu"})"},
      {"tiny",  // 51.7 M
       R"({"model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 8,
           "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 32000,
           "max_position_embeddings": 2048, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
           "initializer_range": 0.02, "tie_word_embeddings": false, "hidden_act": "silu"})"},
      {"124m",
       R"({"model_type": "llama", "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12,
           "num_attention_heads": 12, "num_key_value_heads": 12, "vocab_size": 50257,
           "max_position_embeddings": 1024, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
           "initializer_range": 0.02, "tie_word_embeddings": true, "hidden_act": "silu"})"},
  };
  return configs;
}

}  // namespace

std::vector<std::string> built_in_config_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : built_in_configs()) names.push_back(name);
  return names;
}

LlamaConfig built_in_llama_config(std::string_view name) {
  const auto found = built_in_configs().find(name);
  if (found == built_in_configs().end()) {
    fail("config", "no built-in config {}: the nearest is {}", name,
         nearest_name(name, built_in_config_names()));
  }
  return parse_llama_config(found->second, found->first);
}

}  // namespace lookback
