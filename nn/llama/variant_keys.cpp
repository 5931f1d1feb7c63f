#include "nn/llama/variant_keys.h"

#include <array>
#include <nlohmann/json.hpp>

#include "nn/layer/attention_options.h"
#include "nn/layer/config_reader.h"
#include "nn/layer/model_hooks.h"
#include "nn/layer/preset.h"
#include "nn/layer/residual_scheme.h"
#include "nn/layer/score_scheme.h"
#include "nn/llama/layer_types.h"
#include "runtime/json.h"

namespace lookback {
namespace {

using nlohmann::json;
using Site = CrossLayerResidual::Site;
using Weights = CrossLayerResidual::Weights;
using Stream = CrossLayerResidual::Stream;

const std::vector<std::string> site_names{"mlp", "attention"};
const std::vector<std::string> weights_names{"sum", "mean", "learned"};
const std::vector<std::string> stream_names{"add", "replace"};

// What is written. A variant's keys say which it is; other types are ignored, as every key of
// transformers that says nothing about the computation.
constexpr std::string_view plain_type = "llama", variant_type = "lookback";

// The model types of checkpoints that are in use, and the presets they mean.
struct ModelType {
  std::string_view type, preset;
};
constexpr std::array<ModelType, 21> model_types{
    {{"method1-v3", "method1"},     {"method2-v3", "method2"},     {"method3-1-v3", "method3.1"},
     {"method3_1-v3", "method3.1"}, {"method3-2-v3", "method3.2"}, {"method3_2-v3", "method3.2"},
     {"method4-1-v3", "method4.1"}, {"method4_1-v3", "method4.1"}, {"method4-2-v3", "method4.2"},
     {"method4_2-v3", "method4.2"}, {"method1-v4", "method5.1"},   {"method2-v4", "method5.2"},
     {"method3-v4", "method5.3"},   {"method4-v4", "method5.4"},   {"method5-v4", "method5.5"},
     {"method6-v4", "method5.6"},   {"method7-v4", "method5.7"},   {"method8-v4", "method5.8"},
     {"method1-v2", "stored1"},     {"method2-v2", "stored2"},     {"method3-v2", "stored3"}}};

std::vector<std::string> without(std::vector<std::string> names, std::string_view plain) {
  std::erase(names, plain);
  return names;
}

bool nothing_ignored(std::string_view) { return false; }

const json& object_at(const json& object, std::string_view where, const char* key) {
  const auto& value = object.at(key);
  if (!value.is_object()) {
    fail(ConfigReader::operation, "{}: {} is {}: must be an object", where, key,
         ConfigReader::described(value));
  }
  return value;
}

CrossLayerResidual read_cross_layer_residual(const json& value, std::string_view where) {
  const ConfigReader reader(value, where, "cross_layer_residual.");
  reader.refuse_unknown({"site", "source", "weights", "stream", "include_self"}, nothing_ignored);
  reader.need({"site", "source", "weights"});
  CrossLayerResidual cross;
  const auto sources = without(ResidualSchemes::names(), ResidualKind::default_name);
  cross.source = sources[reader.read_word("source", sources)];
  cross.site = static_cast<Site>(reader.read_word("site", site_names));
  cross.weights = static_cast<Weights>(reader.read_word("weights", weights_names));
  if (reader.find("stream") != nullptr) {
    cross.stream = static_cast<Stream>(reader.read_word("stream", stream_names));
  }
  reader.read("include_self", cross.include_self);
  return cross;
}

std::string read_score_scale(const json& value, std::string_view where) {
  const ConfigReader reader(value, where, "score_accumulation.");
  reader.refuse_unknown({"scale"}, nothing_ignored);
  reader.need({"scale"});
  const auto scales = without(ScoreSchemes::names(), ScoreScheme::default_name);
  return scales[reader.read_word("scale", scales)];
}

void read_keys(const json& object, std::string_view where, LlamaConfig& config) {
  const ConfigReader reader(object, where, "");
  if (reader.find("cross_layer_residual") != nullptr) {
    config.cross_layer_residual =
        read_cross_layer_residual(object_at(object, where, "cross_layer_residual"), where);
  }
  if (reader.find("score_accumulation") != nullptr) {
    config.score_scale = read_score_scale(object_at(object, where, "score_accumulation"), where);
  }
  const auto types = read_layer_types(object, where, config.num_hidden_layers);
  if (const auto* mechanism = reader.find("attention_mechanism")) {
    config.attention = read_attention(*mechanism, where, config);
    if (!types.empty()) {
      config.attention = read_attention(with_layer_types(*mechanism, types), where, config);
    }
  }
  check_accumulation(config, where);
  if (reader.find("fault") != nullptr) {
    const auto faults = FaultHooks::names();
    config.fault = faults[reader.read_word("fault", faults)];
  }
}

// The preset a model type stands for; empty for a type that says nothing.
std::string_view preset_of(const json& object, std::string_view where) {
  const auto found = object.find("model_type");
  if (found == object.end() || !found->is_string()) return {};
  const auto type = found->get<std::string>();
  std::string known;
  for (const auto& each : model_types) {
    if (each.type == type) return each.preset;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", each.type);
  }
  if (type.starts_with("method")) {
    fail(ConfigReader::operation, "{}: model_type {} is no variant that is known: known are {}",
         where, in_quotes(type), known);
  }
  return {};
}

}  // namespace

bool is_variant(const LlamaConfig& config) {
  return config.cross_layer_residual || !config.attention.empty() || !config.score_scale.empty() ||
         !config.fault.empty();
}

void read_variant(const json& object, std::string_view where, LlamaConfig& config) {
  const auto preset = preset_of(object, where);
  if (!preset.empty())
    read_keys(json::parse(find_preset(preset).config.for_model(config)), where, config);
  read_keys(object, where, config);
}

void write_variant(const LlamaConfig& config, nlohmann::ordered_json& object) {
  if (const auto& cross = config.cross_layer_residual) {
    object["cross_layer_residual"] = {
        {"site", site_names[static_cast<std::size_t>(cross->site)]},
        {"source", cross->source},
        {"weights", weights_names[static_cast<std::size_t>(cross->weights)]},
        {"stream", stream_names[static_cast<std::size_t>(cross->stream)]},
        {"include_self", cross->include_self}};
  }
  if (!config.attention.empty()) object["attention_mechanism"] = attention_json(config);
  if (!config.score_scale.empty()) object["score_accumulation"] = {{"scale", config.score_scale}};
  if (!config.fault.empty()) object["fault"] = config.fault;
}

void write_model_type(const LlamaConfig& config, nlohmann::ordered_json& object) {
  const bool variant = is_variant(config);
  object["architectures"] = {variant ? "LookbackForCausalLM" : "LlamaForCausalLM"};
  object["model_type"] = variant ? variant_type : plain_type;
}

}  // namespace lookback
