#include "nn/llama/foreign_keys.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "nn/layer/config_reader.h"
#include "nn/llama/config_keys.h"
#include "runtime/json.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

using nlohmann::json;

constexpr auto operation = ConfigReader::operation;

// A key that computes, unless its value is one of `idle` (JSON), or that of the key `as`. null, {}
// and [] are idle for all, and false is where `idle` does not hold true.
struct ForeignKey {
  std::string_view key, idle, what, as = {};
};

constexpr std::string_view original_length = "original_max_position_embeddings";
constexpr auto experts = "a mixture of experts in place of the MLP";
constexpr auto dropout = "dropout, which is left out here";
constexpr auto multiplier = "a multiplier that no Llama has";
constexpr auto quantized = "quantized weights";
constexpr auto rotary_part = "rotary positions that turn part of each head";
constexpr auto rotary_pairs = "rotary positions that turn neighbors as pairs";
constexpr auto rotary_base = "a base of rotary positions (a Llama's is rope_theta)";
constexpr auto rotary = "whether positions are rotary, as a Llama's are";
constexpr auto other_norm = "the epsilon of another norm (a Llama's is RMSNorm, rms_norm_eps)";
constexpr auto activation = "another activation of the MLP (a Llama's is hidden_act, silu)";
constexpr auto window =
    "a window of attention (of model_type mistral; a Llama looks at all before)";
constexpr auto soft_cap = "capped scores or logits (attention_mechanism.attn_logit_softcapping)";
constexpr auto head_norms = "norms of queries and keys (attention_mechanism.qk_norm)";
constexpr auto biases = "biases (a Llama's are attention_bias and mlp_bias)";
constexpr auto parallel = "an MLP beside attention in place of behind it";
constexpr auto prenorm = "whether norms stand in front of attention and MLP, as a Llama's do";
constexpr auto post_norms = "norms behind attention and MLP";
constexpr auto gated = "whether the MLP has a gate, as a Llama's has";
constexpr auto causal = "whether tokens look back alone, as a Llama's do";
constexpr auto rms = "whether norms are RMSNorm with weights, as a Llama's are";
constexpr auto own_format =
    "the shape of Meta's own format (transformers' "
    "convert_llama_weights_to_hf.py reads it)";
constexpr auto gpt2_shape = "the shape of GPT-2";

constexpr std::array foreign_keys = {
    ForeignKey{"activation", R"(["silu", "swish", "swiglu"])", activation},
    ForeignKey{"activation_function", R"(["silu", "swish", "swiglu"])", activation},
    ForeignKey{"act_fn", R"(["silu", "swish", "swiglu"])", activation},
    ForeignKey{"hidden_activation", R"(["silu", "swish"])", activation},
    ForeignKey{"mlp_activation", R"(["silu", "swish", "swiglu"])", activation},
    ForeignKey{"sliding_window", "[]", window},
    ForeignKey{"use_sliding_window", "[]", window},
    ForeignKey{"max_window_layers", "[]", window},
    ForeignKey{"window_size", "[-1]", window},
    ForeignKey{"attention_window", "[]", window},
    ForeignKey{"local_attention", "[]", window},
    ForeignKey{"quantization_config", "[]", quantized},
    ForeignKey{"compression_config", "[]", quantized},
    ForeignKey{"quantization", "[]", quantized},
    ForeignKey{"attention_multiplier", "[]",
               "another scale of the scores (attention_mechanism.softmax_scale)"},
    ForeignKey{"embedding_multiplier", "[1]", multiplier},
    ForeignKey{"residual_multiplier", "[1]", multiplier},
    ForeignKey{"logits_scaling", "[1]", multiplier},
    ForeignKey{"logit_scale", "[1]", multiplier},
    ForeignKey{"scale_emb", "[1]", multiplier},
    ForeignKey{"scale_depth", "[]", multiplier},
    ForeignKey{"dim_model_base", "[]", multiplier, "hidden_size"},
    ForeignKey{"mup_base_width", "[]", multiplier},
    ForeignKey{"mup_multiplier", "[1]", multiplier},
    ForeignKey{"query_pre_attn_scalar", "[]",
               "another scale of the scores (attention_mechanism.softmax_scale)", "head_dim"},
    ForeignKey{"attn_logit_softcapping", "[0]", soft_cap},
    ForeignKey{"final_logit_softcapping", "[0]", soft_cap},
    ForeignKey{"logits_soft_cap", "[0]", soft_cap},
    ForeignKey{"clip_qkv", "[]", "clipped queries, keys and values (attention_mechanism.clip_qkv)"},
    ForeignKey{"layer_norm_eps", "[]", other_norm, "rms_norm_eps"},
    ForeignKey{"layer_norm_epsilon", "[]", other_norm, "rms_norm_eps"},
    ForeignKey{"norm_epsilon", "[]", other_norm, "rms_norm_eps"},
    ForeignKey{"norm_type", R"(["rms", "rmsnorm", "rms_norm", "RMSNorm"])", rms},
    ForeignKey{"rms_norm", "[true]", rms},
    ForeignKey{"use_rms_norm", "[true]", rms},
    ForeignKey{"use_rmsnorm", "[true]", rms},
    ForeignKey{"elementwise_affine", "[true]", rms},
    ForeignKey{"norm_elementwise_affine", "[true]", rms},
    ForeignKey{"qk_layernorm", "[]", head_norms},
    ForeignKey{"qk_norm", "[]", head_norms},
    ForeignKey{"use_qk_norm", "[]", head_norms},
    ForeignKey{"use_post_norm", "[]", post_norms},
    ForeignKey{"post_norm", "[]", post_norms},
    ForeignKey{"apply_residual_connection_post_layernorm", "[]", post_norms},
    ForeignKey{"pre_norm", "[true]", prenorm},
    ForeignKey{"use_pre_norm", "[true]", prenorm},
    ForeignKey{"do_layer_norm_before", "[true]", prenorm},
    ForeignKey{"parallel_residual", "[]", parallel},
    ForeignKey{"use_parallel_residual", "[]", parallel},
    ForeignKey{"parallel_attn", "[]", parallel},
    ForeignKey{"gated_mlp", "[true]", gated},
    ForeignKey{"use_gated_mlp", "[true]", gated},
    ForeignKey{"use_glu", "[true]", gated},
    ForeignKey{"use_swiglu", "[true]", gated},
    ForeignKey{"causal", "[true]", causal},
    ForeignKey{"is_causal", "[true]", causal},
    ForeignKey{"use_causal_mask", "[true]", causal},
    ForeignKey{"use_bidirectional_attention", "[]", causal},
    ForeignKey{"use_qkv_bias", "[]", biases},
    ForeignKey{"qkv_bias", "[]", biases},
    ForeignKey{"use_bias", "[]", biases},
    ForeignKey{"bias", "[]", biases},
    ForeignKey{"lm_head_bias", "[]", biases},
    ForeignKey{"attention_out_bias", "[]", biases, "attention_bias"},
    ForeignKey{"alibi", "[]", "positions by ALiBi (attention_mechanism.position_embedding_type)"},
    ForeignKey{"use_alibi", "[]",
               "positions by ALiBi (attention_mechanism.position_embedding_type)"},
    ForeignKey{"position_embedding_type", R"(["rope", "rotary"])",
               "positions of another kind (attention_mechanism.position_embedding_type)"},
    ForeignKey{"rope", "[true]", rotary},
    ForeignKey{"rotary", "[true]", rotary},
    ForeignKey{"use_rope", "[true]", rotary},
    ForeignKey{"use_rotary_emb", "[true]", rotary},
    ForeignKey{"use_rotary_embeddings", "[true]", rotary},
    ForeignKey{"no_rope_layers", "[]", "layers without positions"},
    ForeignKey{"no_rope_layer_interval", "[0]", "layers without positions"},
    ForeignKey{"rope_interleaved", "[]", rotary_pairs},
    ForeignKey{"rope_interleave", "[]", rotary_pairs},
    ForeignKey{"partial_rotary_factor", "[1]", rotary_part},
    ForeignKey{"rotary_pct", "[1]", rotary_part},
    ForeignKey{"rope_pct", "[1]", rotary_part},
    ForeignKey{"rotary_dim", "[]", rotary_part, "head_dim"},
    ForeignKey{"rotary_emb_base", "[]", rotary_base, "rope_theta"},
    ForeignKey{"rope_base", "[]", rotary_base, "rope_theta"},
    ForeignKey{"rope_local_base_freq", "[]", rotary_base},
    ForeignKey{"rope_ratio", "[1]", rotary_base},
    ForeignKey{original_length, "[]", "a length of rope_scaling, where it belongs"},
    ForeignKey{"use_mrope", "[]", "positions of pictures"},
    ForeignKey{"use_dynamic_ntk", "[]", "rotary positions that change with the length"},
    ForeignKey{"use_logn_attn", "[]", "scores that grow with the length"},
    ForeignKey{"loss_type", R"(["ForCausalLM", "ForCausalLMLoss"])", "another loss"},
    ForeignKey{"z_loss", "[0]", "another loss"},
    ForeignKey{"label_smoothing", "[0]", "another loss"},
    ForeignKey{"embd_pdrop", "[0]", dropout},
    ForeignKey{"resid_pdrop", "[0]", dropout},
    ForeignKey{"attn_pdrop", "[0]", dropout},
    ForeignKey{"dropout", "[0]", dropout},
    ForeignKey{"dropout_prob", "[0]", dropout},
    ForeignKey{"attn_dropout", "[0]", dropout},
    ForeignKey{"attn_dropout_prob", "[0]", dropout},
    ForeignKey{"attention_probs_dropout_prob", "[0]", dropout},
    ForeignKey{"embedding_dropout", "[0]", dropout},
    ForeignKey{"emb_dropout_prob", "[0]", dropout},
    ForeignKey{"ffn_dropout", "[0]", dropout},
    ForeignKey{"mlp_dropout", "[0]", dropout},
    ForeignKey{"hidden_dropout", "[0]", dropout},
    ForeignKey{"hidden_dropout_prob", "[0]", dropout},
    ForeignKey{"residual_dropout", "[0]", dropout},
    ForeignKey{"resid_dropout", "[0]", dropout},
    ForeignKey{"num_experts", "[0, 1]", experts},
    ForeignKey{"num_local_experts", "[0, 1]", experts},
    ForeignKey{"n_routed_experts", "[0]", experts},
    ForeignKey{"n_shared_experts", "[0]", experts},
    ForeignKey{"moe_intermediate_size", "[0]", experts},
    ForeignKey{"block_configs", "[]", "layers that differ in their shapes"},
    ForeignKey{"num_nextn_predict_layers", "[0]", "further layers that predict later tokens"},
    ForeignKey{"vision_config", "[]", "a part that reads pictures"},
    ForeignKey{"text_config", "[]", "a model of parts, of which this is that of text"},
    ForeignKey{"dim", "[]", own_format, "hidden_size"},
    ForeignKey{"n_layers", "[]", own_format, "num_hidden_layers"},
    ForeignKey{"n_heads", "[]", own_format, "num_attention_heads"},
    ForeignKey{"n_kv_heads", "[]", own_format, "num_key_value_heads"},
    ForeignKey{"norm_eps", "[]", own_format, "rms_norm_eps"},
    ForeignKey{"multiple_of", "[]", own_format},
    ForeignKey{"ffn_dim_multiplier", "[]", own_format},
    ForeignKey{"n_embd", "[]", gpt2_shape, "hidden_size"},
    ForeignKey{"n_layer", "[]", gpt2_shape, "num_hidden_layers"},
    ForeignKey{"n_head", "[]", gpt2_shape, "num_attention_heads"},
    ForeignKey{"n_inner", "[]", gpt2_shape, "intermediate_size"},
};

bool is_empty(const json& value) {
  return value.is_null() || (value.is_structured() && value.empty());
}

bool is_idle(const ForeignKey& key, const json& value, const json& object) {
  if (is_empty(value)) return true;
  const auto idle = json::parse(key.idle);
  if (std::ranges::find(idle, value) != idle.end()) return true;
  if (!key.as.empty()) return object.value(std::string(key.as), json(false)) == value;
  return value == false && std::ranges::find(idle, json(true)) == idle.end();
}

// The scaling's own length, null where it is the default, which has none.
json scaled_length(const json& object) {
  auto scaling = object.value("rope_scaling", json());
  if (!scaling.is_object()) scaling = object.value("rope_parameters", json());
  if (!scaling.is_object()) return nullptr;
  const auto type = scaling.value("rope_type", scaling.value("type", json("default")));
  return type == "default" ? json() : scaling.value(std::string(original_length), json(false));
}

// Lengths that count beside another key alone.
bool is_idle_beside_others(const std::string& key, const json& object) {
  if (key == original_length) {
    const auto length = scaled_length(object);
    return length.is_null() || length == object.at(key);
  }
  const bool no_window = object.value("use_sliding_window", json()) == false;
  if (no_window && (key == "sliding_window" || key == "max_window_layers")) return true;
  if (key == "max_window_layers") return object.value("sliding_window", json()).is_null();
  return key == "use_sliding_window" && object.value("sliding_window", json()).is_null();
}

// "GPTQ, 4 bits"
std::string quantization_of(const json& value) {
  std::string text;
  if (!value.is_object()) return text;
  if (const auto method = value.value("quant_method", json()); method.is_string()) {
    text = " (" + method.get<std::string>();
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
  }
  if (const auto bits = value.value("bits", json()); bits.is_number_integer())
    text += fmt::format("{}{} bits", text.empty() ? " (" : ", ", bits.get<int>());
  return text.empty() ? text : text + ")";
}

[[noreturn]] void refuse(const ForeignKey& key, const json& value, std::string_view where) {
  if (key.what == quantized) {
    fail(operation,
         "{}: {}: the weights are quantized{}, and only floating-point weights can be read: take "
         "the model that was quantized",
         where, key.key, quantization_of(value));
  }
  fail(operation, "{}: {} is {}: {}; it cannot be read as a Llama", where, key.key,
       ConfigReader::described(value), key.what);
}

}  // namespace

bool says_nothing(const std::string& key, const json& object, const std::vector<std::string>& known,
                  std::string_view where) {
  const auto& value = object.at(key);
  // Of a class that has the window: it says so twice.
  const bool has_window = std::ranges::find(known, "sliding_window") != known.end();
  if (has_window && key == "use_sliding_window" && value == true) return true;
  if (is_tool_key(key) || is_idle_beside_others(key, object)) return true;
  const auto* foreign = std::ranges::find(foreign_keys, key, &ForeignKey::key);
  if (foreign != foreign_keys.end()) {
    if (is_idle(*foreign, value, object)) return true;
    refuse(*foreign, value, where);
  }
  if (const auto meant = name_meant(key, known); !meant.empty()) {
    fail(operation, "{}: unknown key {}: the nearest is {}", where, in_quotes(key), meant);
  }
  if (is_empty(value) || value == false) return true;
  fail(operation,
       "{}: unknown key {} ({}): no Llama has it, and it may compute something; take it out where "
       "it does not",
       where, in_quotes(key), ConfigReader::described(value));
}

}  // namespace lookback
