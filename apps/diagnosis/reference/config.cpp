#include "apps/diagnosis/reference/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lookback::reference {
namespace {

using nlohmann::json;

[[noreturn]] void unknown(const std::string& what) {
  throw UnknownToReference("[reference] " + what + " is not known to the reference");
}

// Keys that the object may have, and no others: a key that is skipped would be a model that is
// compared with another one.
void expect_keys(const json& object, const std::vector<std::string_view>& known,
                 const std::string& where) {
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(known, key) == known.end()) unknown(where + key);
  }
}

template <class T>
void read(const json& object, const char* key, T& value) {
  const auto found = object.find(key);
  if (found != object.end() && !found->is_null()) value = found->get<T>();
}

template <class T>
void read(const json& object, const char* key, std::optional<T>& value) {
  const auto found = object.find(key);
  if (found != object.end() && !found->is_null()) value = found->get<T>();
}

const std::string& one_of(const std::string& word, const std::vector<std::string_view>& known,
                          const std::string& where) {
  if (std::ranges::find(known, word) == known.end()) unknown(where + " " + word);
  return word;
}

std::vector<std::size_t> first_numbers(std::size_t count) {
  std::vector<std::size_t> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = i;
  return numbers;
}

Pattern read_pattern(const json& object) {
  expect_keys(object,
              {"sliding_window", "dilation", "global_tokens", "num_random_blocks", "block_size",
               "random_seed"},
              "pattern.");
  Pattern pattern;
  read(object, "sliding_window", pattern.sliding_window);
  read(object, "num_random_blocks", pattern.num_random_blocks);
  read(object, "block_size", pattern.block_size);
  read(object, "random_seed", pattern.random_seed);
  const auto dilation = object.value("dilation", json(1));
  pattern.dilation = dilation.is_array() ? dilation.get<std::vector<std::size_t>>()
                                         : std::vector{dilation.get<std::size_t>()};
  const auto global = object.value("global_tokens", json(0));
  pattern.global_tokens = global.is_array() ? global.get<std::vector<std::size_t>>()
                                            : first_numbers(global.get<std::size_t>());
  return pattern;
}

std::vector<std::string_view> keys_of_type(const std::string& type) {
  if (type == "causal") return {};
  if (type == "mla") {
    return {"q_lora_rank",      "kv_lora_rank", "qk_nope_head_dim",
            "qk_rope_head_dim", "v_head_dim",   "rope_interleave"};
  }
  if (type == "collaborative") return {"key_query_dim", "mixing_init"};
  if (type == "mohsa") return {"overlap_dim"};
  if (type == "moh") {
    return {"num_shared_heads", "num_selected_heads", "router", "router_aux_loss_coef",
            "router_z_loss_coef"};
  }
  if (type == "moa") {
    return {"num_experts", "num_experts_per_tok", "norm_topk_prob", "router_aux_loss_coef",
            "router_z_loss_coef"};
  }
  if (type == "dcmha") return {"rank", "static_projection"};
  if (type == "linear") return {"epsilon"};
  unknown("attention_mechanism of type " + type);
}

void read_own(const json& object, AttentionConfig& all) {
  read(object, "q_lora_rank", all.q_lora_rank);
  read(object, "kv_lora_rank", all.kv_lora_rank);
  read(object, "qk_nope_head_dim", all.qk_nope_head_dim);
  read(object, "qk_rope_head_dim", all.qk_rope_head_dim);
  read(object, "v_head_dim", all.v_head_dim);
  read(object, "rope_interleave", all.rope_interleave);
  read(object, "key_query_dim", all.key_query_dim);
  read(object, "overlap_dim", all.overlap_dim);
  read(object, "num_shared_heads", all.num_shared_heads);
  read(object, "num_selected_heads", all.num_selected_heads);
  read(object, "router", all.router);
  read(object, "num_experts", all.num_experts);
  read(object, "num_experts_per_tok", all.num_experts_per_tok);
  read(object, "norm_topk_prob", all.norm_topk_prob);
  read(object, "rank", all.rank);
  read(object, "static_projection", all.static_projection);
  read(object, "epsilon", all.epsilon);
  const bool routes = all.type == "moh" || all.type == "moa";
  all.balance_loss = routes ? 0.01 : 0;
  all.z_loss = all.type == "moa" ? 0.001 : 0;
  read(object, "router_aux_loss_coef", all.balance_loss);
  read(object, "router_z_loss_coef", all.z_loss);
  one_of(all.router, {"learned", "query_norm"}, "router");
}

AttentionConfig read_attention(const json& object) {
  AttentionConfig all;
  read(object, "type", all.type);
  std::vector<std::string_view> known = {"type",
                                         "softmax_scale",
                                         "attn_logit_softcapping",
                                         "position_embedding_type",
                                         "alibi_bias_max",
                                         "clip_qkv",
                                         "qk_norm",
                                         "attention_out_bias",
                                         "pattern"};
  const auto own = keys_of_type(all.type);
  known.insert(known.end(), own.begin(), own.end());
  expect_keys(object, known, "attention_mechanism.");
  read(object, "softmax_scale", all.softmax_scale);
  read(object, "attn_logit_softcapping", all.soft_cap);
  read(object, "position_embedding_type", all.positions);
  read(object, "alibi_bias_max", all.alibi_bias_max);
  read(object, "clip_qkv", all.clip_qkv);
  read(object, "qk_norm", all.qk_norm);
  one_of(all.positions, {"rope", "alibi", "none"}, "position_embedding_type");
  one_of(all.qk_norm, {"", "layer_norm", "rms_norm", "rms_norm_per_head"}, "qk_norm");
  const auto pattern = object.find("pattern");
  if (pattern != object.end() && !pattern->is_null()) all.pattern = read_pattern(*pattern);
  read_own(object, all);
  return all;
}

RopeScaling read_rope_scaling(const json& object) {
  RopeScaling scaling;
  read(object, "type", scaling.type);
  read(object, "rope_type", scaling.type);
  one_of(scaling.type, {"default", "linear", "llama3", "yarn"}, "rope_scaling of type");
  read(object, "factor", scaling.factor);
  read(object, "low_freq_factor", scaling.low_freq_factor);
  read(object, "high_freq_factor", scaling.high_freq_factor);
  read(object, "original_max_position_embeddings", scaling.original_positions);
  read(object, "beta_fast", scaling.beta_fast);
  read(object, "beta_slow", scaling.beta_slow);
  read(object, "mscale", scaling.mscale);
  read(object, "mscale_all_dim", scaling.mscale_all_dim);
  read(object, "attention_factor", scaling.attention_factor);
  if (scaling.type == "default") return {};
  if (scaling.type == "linear") scaling.original_positions = 0;  // not looked at
  return scaling;
}

CrossLayer read_cross_layer(const json& object) {
  expect_keys(object, {"site", "source", "weights", "stream", "include_self"},
              "cross_layer_residual.");
  CrossLayer cross;
  read(object, "site", cross.site);
  read(object, "source", cross.source);
  read(object, "weights", cross.weights);
  read(object, "include_self", cross.include_self);
  one_of(cross.site, {"mlp", "attention"}, "cross_layer_residual.site");
  one_of(cross.source, {"recomputed", "stored"}, "cross_layer_residual.source");
  one_of(cross.weights, {"sum", "mean", "learned"}, "cross_layer_residual.weights");
  const auto stream = object.value("stream", std::string("add"));
  cross.replaces_stream =
      one_of(stream, {"add", "replace"}, "cross_layer_residual.stream") == "replace";
  return cross;
}

std::string read_score_scale(const json& object) {
  expect_keys(object, {"scale"}, "score_accumulation.");
  return one_of(object.at("scale").get<std::string>(),
                {"sqrt_dk", "sqrt_dk_sqrt_m", "sqrt_dk_m", "power", "power_dk", "per_layer",
                 "per_layer_share", "per_layer_power", "per_layer_free"},
                "score_accumulation.scale");
}

void read_layers(const json& object, Config& config) {
  const auto mechanism = object.value("attention_mechanism", json::object());
  for (std::size_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    config.attention.push_back(
        read_attention(mechanism.is_array() ? mechanism.at(layer) : mechanism));
  }
}

void read_sizes(const json& object, Config& config) {
  read(object, "hidden_size", config.hidden_size);
  read(object, "num_hidden_layers", config.num_hidden_layers);
  read(object, "vocab_size", config.vocab_size);
  read(object, "num_attention_heads", config.num_attention_heads);
  config.num_key_value_heads = config.num_attention_heads;
  read(object, "num_key_value_heads", config.num_key_value_heads);
  config.head_dim = config.hidden_size / config.num_attention_heads;
  read(object, "head_dim", config.head_dim);
  read(object, "rms_norm_eps", config.rms_norm_eps);
  read(object, "rope_theta", config.rope_theta);
  read(object, "max_position_embeddings", config.max_position_embeddings);
  read(object, "tie_word_embeddings", config.tie_word_embeddings);
  read(object, "attention_bias", config.attention_bias);
}

// rope_scaling, or what transformers 5 writes in place of it and of rope_theta.
void read_rotation(const json& object, Config& config) {
  for (const auto* key : {"rope_scaling", "rope_parameters"}) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) continue;
    config.rope_scaling = read_rope_scaling(*found);
    read(*found, "rope_theta", config.rope_theta);
  }
}

}  // namespace

Config read_config(std::string_view text) {
  const auto object = json::parse(text);
  expect_keys(object,
              {"architectures",
               "model_type",
               "hidden_size",
               "intermediate_size",
               "num_hidden_layers",
               "num_attention_heads",
               "num_key_value_heads",
               "head_dim",
               "vocab_size",
               "hidden_act",
               "max_position_embeddings",
               "rms_norm_eps",
               "rope_theta",
               "rope_scaling",
               "rope_parameters",
               "initializer_range",
               "tie_word_embeddings",
               "attention_bias",
               "mlp_bias",
               "cross_layer_residual",
               "score_accumulation",
               "attention_mechanism",
               "fault",
               "torch_dtype",
               "dtype"},
              "");
  one_of(object.value("hidden_act", std::string("silu")), {"silu", "swish"}, "hidden_act");
  Config config;
  read_sizes(object, config);
  read_rotation(object, config);
  if (object.contains("cross_layer_residual"))
    config.cross_layer = read_cross_layer(object.at("cross_layer_residual"));
  if (object.contains("score_accumulation"))
    config.score_scale = read_score_scale(object.at("score_accumulation"));
  read_layers(object, config);
  return config;
}

}  // namespace lookback::reference
