#include "nn/llama/config_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "nn/layer/attention_options.h"
#include "nn/layer/config_reader.h"
#include "nn/llama/config_fields.h"
#include "nn/llama/config_keys.h"
#include "nn/llama/variant_keys.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using nlohmann::json;

constexpr auto operation = ConfigReader::operation;

bool is_ignored(std::string_view key) {
  return key.starts_with('_') ||
         std::ranges::find(ignored_config_keys, key) != ignored_config_keys.end();
}

// The frequencies' scaling by name, with the keys each takes.
struct ScalingKind {
  std::string_view name;
  RopeScaling::Kind kind;
  std::vector<std::string_view> numbers;
};
const std::vector<ScalingKind>& scaling_kinds() {
  static const std::vector<ScalingKind> kinds = {
      {"default", RopeScaling::Kind::none, {}},
      {"linear", RopeScaling::Kind::linear, {"factor"}},
      {"llama3",
       RopeScaling::Kind::llama3,
       {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}}};
  return kinds;
}

double& scaling_number(RopeScaling& scaling, std::string_view key) {
  if (key == "factor") return scaling.factor;
  if (key == "low_freq_factor") return scaling.low_freq_factor;
  if (key == "high_freq_factor") return scaling.high_freq_factor;
  return scaling.original_max_position_embeddings;
}

constexpr std::int64_t most_layers = 65536;

// rope_type, or `type` as it was once called; "default" for neither.
std::string scaling_name(const ConfigReader& reader, std::string_view where) {
  const bool has_new = reader.find("rope_type") != nullptr;
  const bool has_old = reader.find("type") != nullptr;
  if (!has_new && !has_old) return "default";
  auto name = reader.text(has_new ? "rope_type" : "type");
  if (has_new && has_old && reader.text("type") != name) {
    fail(operation, "{}: rope_scaling.type is {} and rope_scaling.rope_type is {}: they must agree",
         where, in_quotes(reader.text("type")), in_quotes(name));
  }
  return name;
}

RopeScaling read_rope_scaling(const json& value, std::string_view where) {
  if (!value.is_object()) {
    fail(operation, "{}: rope_scaling is {}: must be an object or null", where,
         ConfigReader::described(value));
  }
  const ConfigReader reader(value, where, "rope_scaling.");
  const auto name = scaling_name(reader, where);
  const auto kind = std::ranges::find(scaling_kinds(), name, &ScalingKind::name);
  if (kind == scaling_kinds().end()) {
    fail(operation, "{}: rope_scaling.rope_type is {}: must be default, linear or llama3", where,
         in_quotes(name));
  }
  auto known = kind->numbers;
  known.insert(known.end(), {"rope_type", "type"});
  reader.refuse_unknown(known, [](std::string_view) { return false; });

  RopeScaling scaling{.kind = kind->kind};
  for (const auto key : kind->numbers) {
    if (reader.find(key) == nullptr) {
      fail(operation, "{}: rope_scaling of rope_type {} has no {}", where, name, key);
    }
    reader.read(key, scaling_number(scaling, key), ConfigReader::Least::above_zero);
  }
  if (scaling.kind == RopeScaling::Kind::llama3) {
    reader.check(scaling.high_freq_factor > scaling.low_freq_factor, "high_freq_factor",
                 "must be above low_freq_factor, {}", scaling.low_freq_factor);
  }
  return scaling;
}

std::vector<std::string_view> known_keys() {
  std::vector<std::string_view> keys = {
      "num_key_value_heads",  "head_dim",           "rope_scaling",
      "attention_dropout",    "pretraining_tp",     "hidden_act",
      "cross_layer_residual", "score_accumulation", "fault",
      "attention_mechanism"};
  for (const auto& field : size_fields) keys.push_back(field.key);
  for (const auto& field : number_fields) keys.push_back(field.key);
  for (const auto& field : switch_fields) keys.push_back(field.key);
  return keys;
}

void read_heads(const ConfigReader& reader, std::string_view where, LlamaConfig& config) {
  const Check check{operation};
  const auto heads = config.num_attention_heads;
  config.num_key_value_heads = heads;
  if (reader.find("num_key_value_heads") != nullptr) {
    reader.read("num_key_value_heads", config.num_key_value_heads);
  }
  check(heads % config.num_key_value_heads == 0,
        "{}: num_attention_heads is {}: must be a multiple of num_key_value_heads, {}", where,
        heads, config.num_key_value_heads);
  if (reader.find("head_dim") != nullptr) {
    reader.read("head_dim", config.head_dim);
  } else {
    check(config.hidden_size % heads == 0,
          "{}: hidden_size is {}: must be a multiple of num_attention_heads, {}, where no head_dim "
          "is given",
          where, config.hidden_size, heads);
    config.head_dim = config.hidden_size / heads;
  }
}

// Of layers that turn whole heads by their positions.
void check_rotary_width(const LlamaConfig& config, std::string_view where) {
  const Check check{operation};
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const auto options = attention_of(config, layer);
    const auto width = options->rotary_width(config);
    check(options->positions != Positions::rope || !width || *width % 2 == 0,
          "{}: the head size is {}: must be even, for rotary positions turn pairs (head_dim, or "
          "hidden_size / num_attention_heads)",
          where, config.head_dim);
    if (config.attention.size() <= 1) break;  // all layers are alike
  }
}

}  // namespace

LlamaConfig parse_llama_config(std::string_view text, std::string_view where) {
  const auto object = parse_json(text, operation, where);
  if (!object.is_object()) fail(operation, "{}: must hold one JSON object", where);
  const ConfigReader reader(object, where, "");
  reader.refuse_unknown(known_keys(), is_ignored);

  LlamaConfig config;
  for (const auto& field : size_fields) reader.read(field.key, config.*field.member);
  for (const auto& field : number_fields) reader.read(field.key, config.*field.member, field.least);
  for (const auto& field : switch_fields) reader.read(field.key, config.*field.member);
  reader.require("attention_dropout", 0);
  reader.require("pretraining_tp", 1);
  reader.require("hidden_act", "silu");
  read_heads(reader, where, config);
  // Small tensors by the million fill the memory one by one, where a large one is refused at once.
  reader.check(config.num_hidden_layers <= most_layers, "num_hidden_layers", "must be at most {}",
               most_layers);
  if (const auto* scaling = reader.find("rope_scaling")) {
    config.rope_scaling = read_rope_scaling(*scaling, where);
  }
  read_variant(object, where, config);
  check_rotary_width(config, where);
  for (const auto& [key, value] : object.items()) {
    if (is_ignored(key) && !key.starts_with('_')) config.carried.emplace(key, value.dump());
  }
  return config;
}

LlamaConfig read_llama_config(const std::string& path) {
  std::filesystem::path file(path);
  std::error_code ignored;  // reading says it better
  if (std::filesystem::is_directory(file, ignored)) file /= "config.json";
  return parse_llama_config(read_file(file, operation), file.string());
}

std::string to_json(const LlamaConfig& config, DType weights) {
  nlohmann::ordered_json object;
  write_model_type(config, object);
  for (const auto& field : size_fields) object[field.key] = config.*field.member;
  object["num_key_value_heads"] = config.num_key_value_heads;
  object["head_dim"] = config.head_dim;
  object["hidden_act"] = "silu";
  for (const auto& field : number_fields) object[field.key] = config.*field.member;
  object["rope_scaling"] = nullptr;
  auto scaling = config.rope_scaling;
  for (const auto& kind : scaling_kinds()) {
    if (kind.kind != scaling.kind || scaling.kind == RopeScaling::Kind::none) continue;
    nlohmann::ordered_json written{{"rope_type", kind.name}};
    for (const auto key : kind.numbers) written[key] = scaling_number(scaling, key);
    // transformers wants this one to be an integer
    if (auto found = written.find("original_max_position_embeddings"); found != written.end()) {
      const auto value = scaling.original_max_position_embeddings;
      if (value == std::floor(value)) *found = static_cast<std::int64_t>(value);
    }
    object["rope_scaling"] = written;
  }
  for (const auto& field : switch_fields) object[field.key] = config.*field.member;
  write_variant(config, object);
  for (const auto& [key, value] : config.carried) {
    if (!object.contains(key)) object[key] = nlohmann::ordered_json::parse(value);
  }
  object["torch_dtype"] = name_of(weights);
  return object.dump(2) + "\n";
}

}  // namespace lookback
