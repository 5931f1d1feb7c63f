// DeepSeek-V2 and V3 (DeepSeek-AI 2024) with dense MLPs in all layers: multi-head latent attention.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "nn/layer/attention_options.h"
#include "nn/layer/config_reader.h"
#include "nn/llama/stock_model.h"

namespace lookback {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr auto operation = ConfigReader::operation;
constexpr auto mla = "mla", mechanism_key = "attention_mechanism", interleave = "rope_interleave",
               first_experts = "first_k_dense_replace", experts = "n_routed_experts";

// The options of mla that stand at the top level.
constexpr std::array size_keys = {"q_lora_rank", "kv_lora_rank", "qk_nope_head_dim",
                                  "qk_rope_head_dim", "v_head_dim"};

bool is_option_of_mla(const std::string& key) {
  return key == "type" || key == interleave || std::ranges::find(size_keys, key) != size_keys.end();
}

void check_same(const ConfigReader& reader, const json& object, const char* key,
                const json& expected, std::string_view rule) {
  if (reader.find(key) == nullptr) return;
  reader.check(object.at(key) == expected, key, "must be {}, {}", rule, expected.dump());
}

class DeepSeek : public StockModel {
 public:
  json defaults() const override {
    return {{"kv_lora_rank", 512},    {"q_lora_rank", 1536}, {"qk_nope_head_dim", 128},
            {"qk_rope_head_dim", 64}, {"v_head_dim", 128},   {interleave, true},
            {"qk_head_dim", nullptr}};
  }

  std::vector<std::string_view> idle_keys() const override {
    // q_lora_rank counts; here it is so that a missing one is known (config_for_weights).
    return {"q_lora_rank",
            first_experts,
            experts,
            "aux_loss_alpha",
            "ep_size",
            "moe_layer_freq",
            "moe_intermediate_size",
            "n_group",
            "n_shared_experts",
            "norm_topk_prob",
            "num_experts_per_tok",
            "num_nextn_predict_layers",
            "routed_scaling_factor",
            "scoring_func",
            "seq_aux",
            "topk_group",
            "topk_method"};
  }

  void refuse(const json& object, std::string_view where) const override {
    const ConfigReader reader(object, where, "");
    const auto* count = reader.find(experts);
    if (count == nullptr || *count == 0) return;
    auto layers = LlamaConfig{}.num_hidden_layers;
    reader.read("num_hidden_layers", layers);
    const auto& first = object.at(first_experts);
    if (first.is_number() && first >= layers) return;
    fail(operation,
         "{}: model_type is {}: its MLPs are {} experts each from layer {} on ({}, {}), and a "
         "Llama's MLP is one: {} must be at least num_hidden_layers, {}",
         where, object.at("model_type").get<std::string>(), count->dump(), first.dump(), experts,
         first_experts, first_experts, layers);
  }

  void translate(json& object, std::string_view where) const override {
    const ConfigReader reader(object, where, "");
    refuse_other_options(object, where);
    for (const auto* key : size_keys) {
      std::int64_t size = 1;
      if (reader.find(key) != nullptr) reader.read(key, size);
    }
    const auto rope = object.at("qk_rope_head_dim").get<std::int64_t>();
    const auto nope = object.at("qk_nope_head_dim").get<std::int64_t>();
    check_same(reader, object, "head_dim", rope, "qk_rope_head_dim");
    check_same(reader, object, "qk_head_dim", nope + rope, "qk_nope_head_dim + qk_rope_head_dim");
    json attention{{"type", mla}, {interleave, object.at(interleave)}};
    for (const auto* key : size_keys) {
      attention[key] = object.value(key, json());
      object.erase(key);
    }
    object.erase(interleave);
    object.erase("qk_head_dim");
    object["head_dim"] = rope;
    object[mechanism_key] = attention;
  }

  std::optional<ordered_json> keys_of(const LlamaConfig& config) const override {
    if (config.attention.size() != 1) return std::nullopt;
    const auto& options = *config.attention[0].options;
    const auto written = options.to_json();
    if (options.type() != mla) return std::nullopt;
    ordered_json keys;
    for (const auto* key : size_keys) keys[key] = written.value(key, ordered_json());
    keys[interleave] = written.value(interleave, true);
    keys["head_dim"] = keys.at("qk_rope_head_dim");
    keys[first_experts] = config.num_hidden_layers;
    return keys;
  }

  bool has_head_dim() const override { return false; }

 private:
  // What stands at the top level counts; options that do not would be lost.
  static void refuse_other_options(const json& object, std::string_view where) {
    const auto mechanism = object.value(mechanism_key, json());
    if (mechanism.is_null()) return;
    const auto model_type = object.at("model_type").get<std::string>();
    bool own = mechanism.is_object() && mechanism.value("type", mla) == mla;
    for (const auto& [key, value] : mechanism.items()) own = own && is_option_of_mla(key);
    if (own) return;
    fail(operation,
         "{}: {} is {}: must be absent where model_type is {}, which has the options of mla at the "
         "top level",
         where, mechanism_key, ConfigReader::described(mechanism), model_type);
  }
};

// Its class turns neighbors as pairs alone, and its scores have no factor of mscale_all_dim.
class DeepSeekV2 final : public DeepSeek {
  std::string_view architecture() const override { return "DeepseekV2ForCausalLM"; }
  json defaults() const override {
    auto keys = DeepSeek::defaults();
    keys.update({{"num_key_value_heads", nullptr}, {first_experts, 0}});
    return keys;
  }
  void refuse(const json& object, std::string_view where) const override {
    DeepSeek::refuse(object, where);
    ConfigReader(object, where, "").require(interleave, true);
  }
  std::optional<ordered_json> keys_of(const LlamaConfig& config) const override {
    auto keys = DeepSeek::keys_of(config);
    if (!keys || !keys->at(interleave) || !difference(config).empty()) return std::nullopt;
    keys->erase(interleave);
    return keys;
  }
  std::string difference(const LlamaConfig& config) const override {
    const auto& scaling = config.rope_scaling;
    if (scaling.kind != RopeScaling::Kind::yarn || scaling.mscale_all_dim == 0) return {};
    return "deepseek_v2 with rope_scaling.mscale_all_dim is computed as DeepSeek's own code does; "
           "transformers' DeepseekV2ForCausalLM leaves that factor of the scores out";
  }
};

// Its class has no biases in its MLPs.
class DeepSeekV3 final : public DeepSeek {
  std::string_view architecture() const override { return "DeepseekV3ForCausalLM"; }
  json defaults() const override {
    auto keys = DeepSeek::defaults();
    keys.update({{"vocab_size", 129280},
                 {"hidden_size", 7168},
                 {"intermediate_size", 18432},
                 {"num_hidden_layers", 61},
                 {"num_attention_heads", 128},
                 {"num_key_value_heads", 128},
                 {"max_position_embeddings", 4096},
                 {first_experts, 3}});
    return keys;
  }
  std::optional<ordered_json> keys_of(const LlamaConfig& config) const override {
    return config.mlp_bias ? std::nullopt : DeepSeek::keys_of(config);
  }
};

const StockModels::Add v2{"deepseek_v2", [] { return std::make_unique<DeepSeekV2>(); }};
const StockModels::Add v3{"deepseek_v3", [] { return std::make_unique<DeepSeekV3>(); }};

}  // namespace
}  // namespace lookback
