#include "nn/llama/variant_of_weights.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "nn/layer/preset.h"
#include "nn/llama/config_file.h"
#include "nn/llama/llama.h"
#include "nn/llama/stock_model.h"

namespace lookback {
namespace {

// Names below layers, "self_attn.q_proj.weight".
std::set<std::string> names_in_layers(const std::vector<std::string>& names) {
  constexpr std::string_view prefix = "model.layers.";
  std::set<std::string> result;
  for (const auto& name : names) {
    if (!name.starts_with(prefix)) continue;
    const auto dot = name.find('.', prefix.size());
    if (dot != std::string::npos) result.insert(name.substr(dot + 1));
  }
  return result;
}

// With so many heads every extra parameter of a preset appears; with fewer a mixture of heads has
// fewer of them.
constexpr std::array<std::int64_t, 3> head_counts{8, 4, 2};

// Of a small model.
std::set<std::string> names_of_preset(const PresetKeys& keys, std::int64_t heads) {
  const LlamaConfig sizes{
      .hidden_size = 8, .num_attention_heads = heads, .num_key_value_heads = heads, .head_dim = 4};
  auto object = nlohmann::json::parse(keys.for_model(sizes));
  object.update({{"vocab_size", 1},
                 {"hidden_size", 8},
                 {"intermediate_size", 1},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", heads},
                 {"head_dim", 4},
                 {"attention_bias", true},
                 {"mlp_bias", true}});
  const Llama llama(parse_llama_config(object.dump(), "preset"), {});
  std::vector<std::string> names;
  for (const auto& parameter : llama.parameters()) names.push_back(parameter.name);
  return names_in_layers(names);
}

std::set<std::string> without(const std::set<std::string>& names,
                              const std::set<std::string>& some) {
  std::set<std::string> rest;
  std::ranges::set_difference(names, some, std::inserter(rest, rest.end()));
  return rest;
}

// transformers' classes of DeepSeek take 1536 for a q_lora_rank that is missing, other code takes
// none.
bool rank_is_taken_for_granted(const LlamaConfig& config) {
  const auto type = stock_type_of(config).value_or("");
  return type.starts_with("deepseek") && !config.carried.contains("q_lora_rank");
}

std::vector<AttentionChoice> without_query_rank(const LlamaConfig& config) {
  auto object = nlohmann::json::parse(to_json_in_own_keys(config));
  object.at("attention_mechanism").erase("q_lora_rank");
  return parse_llama_config(object.dump(), "q_lora_rank").attention;
}

}  // namespace

std::string variant_of_weights(const std::vector<std::string>& names) {
  const auto plain = names_of_preset("{}", head_counts[0]);
  const auto extra = without(names_in_layers(names), plain);
  if (extra.empty()) return "llama";
  for (const auto& [name, preset] : presets()) {
    if (name.starts_with("fault-")) continue;
    for (const auto heads : head_counts) {
      if (without(names_of_preset(preset.config, heads), plain) == extra) return name;
    }
  }
  return "";
}

std::string variant_advice(const LlamaConfig& config, const std::vector<std::string>& names) {
  const auto theirs = variant_of_weights(names);
  std::vector<std::string> own;
  for (const auto& parameter : Llama(config, {}).parameters()) own.push_back(parameter.name);
  if (theirs.empty() || theirs == variant_of_weights(own)) return "";
  return fmt::format("; by their names the weights are those of preset {}", theirs);
}

LlamaConfig config_for_weights(LlamaConfig config, const std::vector<std::string>& names) {
  const auto query_projection = [](const std::string& name) {
    return name.ends_with("self_attn.q_proj.weight");
  };
  if (rank_is_taken_for_granted(config) && std::ranges::any_of(names, query_projection)) {
    config.attention = without_query_rank(config);
  }
  const auto type = config.carried.find("model_type");
  const bool either = type != config.carried.end() && type->second == "\"method5-v4\"";
  const auto shares = [](const std::string& name) {
    return name.ends_with("self_attn.modified_scaling.score_params");
  };
  if (either && config.score_scale == "per_layer" && std::ranges::any_of(names, shares)) {
    config.score_scale = "per_layer_share";
  }
  return config;
}

}  // namespace lookback
