// The model's config against what was given: config.json and the keys of presets, read a second
// time by the reader of the second opinion (reference/config.h). A key that one of the two leaves
// unread, exchanges or forgets to write is a model that nobody asked for, in all ways of running
// it.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/diagnosis/as_reference.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/model/model_choice.h"
#include "apps/model/model_folder.h"
#include "nn/layer/preset.h"
#include "nn/llama/config_file.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using nlohmann::json;

constexpr auto attention = "attention_mechanism";

struct Entry {
  std::string key, value;
  friend bool operator==(const Entry&, const Entry&) = default;
};

// Every number and word of a config of the second opinion, by its key.
class Entries {
 public:
  explicit Entries(const reference::Config& config) {
    add("hidden_size", config.hidden_size);
    add("num_hidden_layers", config.num_hidden_layers);
    add("num_attention_heads", config.num_attention_heads);
    add("num_key_value_heads", config.num_key_value_heads);
    add("head_dim", config.head_dim);
    add("rms_norm_eps", config.rms_norm_eps);
    add("rope_theta", config.rope_theta);
    add("max_position_embeddings", config.max_position_embeddings);
    add("tie_word_embeddings", config.tie_word_embeddings);
    add("attention_bias", config.attention_bias);
    add("score_accumulation", config.score_scale);
    add_scaling(config.rope_scaling);
    add_cross_layer(config.cross_layer);
    for (std::size_t layer = 0; layer < config.attention.size(); ++layer)
      add_attention(fmt::format("layer {}: ", layer), config.attention[layer]);
  }

  std::vector<Entry> all;

 private:
  template <class Value>
  void add(const std::string& key, const Value& value) {
    all.push_back({key, json(value).dump()});
  }
  template <class Value>
  void add(const std::string& key, const std::optional<Value>& value) {
    all.push_back({key, value ? json(*value).dump() : "not set"});
  }

  void add_scaling(const reference::RopeScaling& scaling) {
    add("rope_scaling.rope_type", scaling.type);
    add("rope_scaling.factor", scaling.factor);
    add("rope_scaling.low_freq_factor", scaling.low_freq_factor);
    add("rope_scaling.high_freq_factor", scaling.high_freq_factor);
    add("rope_scaling.original_max_position_embeddings", scaling.original_positions);
    add("rope_scaling.beta_fast", scaling.beta_fast);
    add("rope_scaling.beta_slow", scaling.beta_slow);
    add("rope_scaling.mscale", scaling.mscale);
    add("rope_scaling.mscale_all_dim", scaling.mscale_all_dim);
    add("rope_scaling.attention_factor", scaling.attention_factor);
  }

  void add_cross_layer(const std::optional<reference::CrossLayer>& given) {
    const auto cross = given.value_or(reference::CrossLayer{});
    add("cross_layer_residual.site", cross.site);
    add("cross_layer_residual.source", cross.source);
    add("cross_layer_residual.weights", cross.weights);
    add("cross_layer_residual.stream", cross.replaces_stream ? "replace" : "add");
    add("cross_layer_residual.include_self", cross.include_self);
  }

  void add_attention(const std::string& where, const reference::AttentionConfig& each) {
    add(where + "type", each.type);
    add(where + "softmax_scale", each.softmax_scale);
    add(where + "attn_logit_softcapping", each.soft_cap);
    add(where + "clip_qkv", each.clip_qkv);
    add(where + "position_embedding_type", each.positions);
    add(where + "alibi_bias_max", each.alibi_bias_max);
    add(where + "qk_norm", each.qk_norm);
    add_pattern(where + "pattern.", each.pattern);
    for (const auto& [key, value] : std::initializer_list<std::pair<const char*, std::size_t>>{
             {"q_lora_rank", each.q_lora_rank},
             {"kv_lora_rank", each.kv_lora_rank},
             {"qk_nope_head_dim", each.qk_nope_head_dim},
             {"qk_rope_head_dim", each.qk_rope_head_dim},
             {"v_head_dim", each.v_head_dim},
             {"key_query_dim", each.key_query_dim},
             {"overlap_dim", each.overlap_dim},
             {"num_shared_heads", each.num_shared_heads},
             {"num_selected_heads", each.num_selected_heads},
             {"num_experts", each.num_experts},
             {"num_experts_per_tok", each.num_experts_per_tok},
             {"rank", each.rank}}) {
      add(where + key, value);
    }
    add(where + "rope_interleave", each.rope_interleave);
    add(where + "router", each.router);
    add(where + "norm_topk_prob", each.norm_topk_prob);
    add(where + "router_aux_loss_coef", each.balance_loss);
    add(where + "router_z_loss_coef", each.z_loss);
    add(where + "static_projection", each.static_projection);
    add(where + "epsilon", each.epsilon);
  }

  void add_pattern(const std::string& where, const std::optional<reference::Pattern>& given) {
    add(where + "is set", given.has_value());
    const auto pattern = given.value_or(reference::Pattern{});
    add(where + "sliding_window", pattern.sliding_window);
    add(where + "dilation", pattern.dilation);
    add(where + "global_tokens", pattern.global_tokens);
    add(where + "num_random_blocks", pattern.num_random_blocks);
    add(where + "block_size", pattern.block_size);
    add(where + "random_seed", pattern.random_seed);
  }
};

// What was given, in one JSON, and what to call it.
struct Given {
  std::string source;
  json object;
  LlamaConfig read;  // what the program made of it
};

// Without the keys that compute nothing.
json as_json(const std::filesystem::path& path, const LlamaConfig& read) {
  const auto object = json::parse(
      read_file(std::filesystem::is_directory(path) ? path / "config.json" : path, "diagnose"));
  json kept = json::object();
  for (const auto& [key, value] : object.items()) {
    const bool has_one_value = key == "attention_dropout" || key == "pretraining_tp";
    const bool nothing = value.is_null() || key.starts_with('_') || read.carried.contains(key);
    if (!(nothing || has_one_value)) kept[key] = value;
  }
  // Where architectures alone says it, too.
  const auto type = read.carried.find("model_type");
  if (type != read.carried.end() && json::parse(type->second).is_string())
    kept["model_type"] = json::parse(type->second);
  return kept;
}

std::optional<Given> given_of(const Subject& subject) {
  if (subject.folder) {
    const auto read = read_model_config(*subject.folder);
    return Given{(*subject.folder / "config.json").string(), as_json(*subject.folder, read), read};
  }
  if (subject.given_config.empty()) return std::nullopt;
  const auto& name = subject.given_config;
  const auto base = choose_model(name, {}).config;
  Given given{
      name, is_built_in_config(name) ? json::parse(to_json_in_own_keys(base)) : as_json(name, base),
      subject.config};
  auto so_far = base;
  std::vector<std::string> laid;
  for (const auto& preset : subject.given_presets) {
    const auto keys = json::parse(find_preset(preset).config.for_model(so_far));
    laid.push_back(preset);
    so_far = choose_model(name, laid).config;
    if (keys.empty()) continue;
    given.source += " with preset " + preset;
    auto before = given.object.value(attention, json::object());
    given.object.update(keys);
    if (!keys.contains(attention) || !before.is_object()) continue;
    before.update(keys.at(attention));
    given.object[attention] = before;
  }
  return given;
}

class ConfigAsGiven final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::not_the_named_model; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto given = given_of(subject);
    if (!given) return diagnosis.not_applicable(name, "the model was not made from a config.json");
    const auto type = given->object.value("model_type", std::string("llama"));
    if (type != "llama") {
      return diagnosis.not_applicable(
          name, fmt::format("{}: the keys of a {} are read once", given->source, type));
    }
    try {
      compare(*given, diagnosis);
    } catch (const reference::UnknownToReference& error) {
      diagnosis.not_applicable(name, error.what());
    }
  }

 private:
  static constexpr const char* name = "the config that was given";

  static void compare(const Given& given, Diagnosis& diagnosis) {
    const auto asked = Entries(reference::read_config(given.object.dump())).all;
    const auto made = Entries(reference_config(given.read)).all;
    // 0: not given, or to be found by the model's sizes.
    const auto differs = std::ranges::mismatch(asked, made, [](const Entry& a, const Entry& b) {
      return a == b || (a.key == b.key && (a.value == "0" || a.value == "0.0"));
    });
    if (differs.in1 == asked.end() && differs.in2 == made.end()) {
      return diagnosis.compared(Verdict::not_the_named_model, name, "a second reading of its keys",
                                0, 0,
                                fmt::format("{}: {} numbers and words of the model are those of a "
                                            "second reading",
                                            given.source, asked.size()));
    }
    diagnosis.failed(Verdict::not_the_named_model, name, 1, 0,
                     fmt::format("{}: {} is {}, and the model's is {}", given.source,
                                 differs.in1->key, differs.in1->value, differs.in2->value));
  }
};

const DiagnosisChecks::Add registered{"config_as_given",
                                      [] { return std::make_unique<ConfigAsGiven>(); }};

}  // namespace
}  // namespace lookback
