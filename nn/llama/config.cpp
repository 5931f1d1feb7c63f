#include "nn/llama/config.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "nn/llama/config_fields.h"
#include "nn/llama/config_keys.h"
#include "runtime/json.h"
#include "runtime/nearest_name.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using nlohmann::json;

constexpr std::string_view operation = "config";
// Products of two sizes then fit into 64 bits.
constexpr std::int64_t largest_size = std::numeric_limits<std::int32_t>::max();

std::string described(const json& value) {
  const auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return value.is_null() ? text : fmt::format("{} ({})", text, value.type_name());
}

// The keys of one JSON object, read by name and type.
class ObjectReader {
 public:
  // `path` of the object inside the file: "" or "rope_scaling."
  ObjectReader(const json& read_object, std::string_view file, std::string_view path)
      : object(read_object), where(file), prefix(path) {}

  const json* find(std::string_view key) const {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
  }

  void read(std::string_view key, std::int64_t& target) const {
    const auto found = object.find(key);
    if (found == object.end()) return;
    // What does not fit into 64 bits is read as a floating-point number.
    const bool fits = found->is_number_integer() && *found >= 1 && *found <= largest_size;
    check(fits, key, "must be an integer from 1 to {}", largest_size);
    target = found->get<std::int64_t>();
  }

  using Least = ConfigNumber::Least;
  void read(std::string_view key, double& target, Least least) const {
    const auto found = object.find(key);
    if (found == object.end()) return;
    const bool fits = found->is_number() && (*found > 0 || (least == Least::zero && *found == 0));
    check(fits, key, "must be a number {}", least == Least::zero ? "of at least 0" : "above 0");
    target = found->get<double>();
  }

  void read(std::string_view key, bool& target) const {
    const auto found = object.find(key);
    if (found == object.end()) return;
    check(found->is_boolean(), key, "must be true or false");
    target = found->get<bool>();
  }

  void require(std::string_view key, const json& value) const {
    const auto found = object.find(key);
    check(found == object.end() || *found == value, key, "must be {}: nothing else works here",
          value.dump());
  }

  std::string text(std::string_view key) const {
    check(object.at(std::string(key)).is_string(), key, "must be a string");
    return object.at(std::string(key)).get<std::string>();
  }

  template <class... Values>
  void check(bool holds, std::string_view key, fmt::format_string<Values...> rule,
             const Values&... values) const {
    if (holds) return;
    fail(operation, "{}: {}{} is {}: {}", where, prefix, key,
         described(object.at(std::string(key))),
         fmt::vformat(rule, fmt::make_format_args(values...)));
  }

  // Every key of the object must be among the known ones or ignored.
  template <class Ignored>
  void refuse_unknown(const std::vector<std::string_view>& known, const Ignored& ignored) const {
    for (const auto& [key, value] : object.items()) {
      if (std::ranges::find(known, key) != known.end() || ignored(key)) continue;
      fail(operation, "{}: unknown key {}{}: the nearest is {}", where, prefix, in_quotes(key),
           nearest_name(key, known));
    }
  }

 private:
  const json& object;
  std::string_view where, prefix;
};

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

// rope_type, or `type` as it was once called; "default" for neither.
std::string scaling_name(const ObjectReader& reader, std::string_view where) {
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
    fail(operation, "{}: rope_scaling is {}: must be an object or null", where, described(value));
  }
  const ObjectReader reader(value, where, "rope_scaling.");
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
    reader.read(key, scaling_number(scaling, key), ObjectReader::Least::above_zero);
  }
  if (scaling.kind == RopeScaling::Kind::llama3) {
    reader.check(scaling.high_freq_factor > scaling.low_freq_factor, "high_freq_factor",
                 "must be above low_freq_factor, {}", scaling.low_freq_factor);
  }
  return scaling;
}

// The three keys of METHODS' variants, and the model types that stood for them.
void refuse_variants(const json& object, std::string_view where) {
  for (const char* key : {"cross_layer_residual", "score_accumulation", "fault"}) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) continue;
    fail(operation, "{}: {} makes a variant of the Llama, and this version has the plain one alone",
         where, key);
  }
  const auto type = object.find("model_type");
  if (type != object.end() && type->is_string() && type->get<std::string>().starts_with("method")) {
    fail(operation,
         "{}: model_type {} is a variant of the Llama, and this version has the plain one alone",
         where, in_quotes(type->get<std::string>()));
  }
}

std::vector<std::string_view> known_keys() {
  std::vector<std::string_view> keys = {
      "num_key_value_heads",  "head_dim",           "rope_scaling",
      "attention_dropout",    "pretraining_tp",     "hidden_act",
      "cross_layer_residual", "score_accumulation", "fault"};
  for (const auto& field : size_fields) keys.push_back(field.key);
  for (const auto& field : number_fields) keys.push_back(field.key);
  for (const auto& field : switch_fields) keys.push_back(field.key);
  return keys;
}

void read_heads(const ObjectReader& reader, std::string_view where, LlamaConfig& config) {
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
  check(config.head_dim % 2 == 0,
        "{}: the head size is {}: must be even, for rotary positions turn pairs (head_dim, or "
        "hidden_size / "
        "num_attention_heads)",
        where, config.head_dim);
}

}  // namespace

LlamaConfig parse_llama_config(std::string_view text, std::string_view where) {
  const auto object = parse_json(text, operation, where);
  if (!object.is_object()) fail(operation, "{}: must hold one JSON object", where);
  refuse_variants(object, where);
  const ObjectReader reader(object, where, "");
  reader.refuse_unknown(known_keys(), is_ignored);

  LlamaConfig config;
  for (const auto& field : size_fields) reader.read(field.key, config.*field.member);
  for (const auto& field : number_fields) reader.read(field.key, config.*field.member, field.least);
  for (const auto& field : switch_fields) reader.read(field.key, config.*field.member);
  reader.require("attention_dropout", 0);
  reader.require("pretraining_tp", 1);
  reader.require("hidden_act", "silu");
  read_heads(reader, where, config);
  if (const auto* scaling = reader.find("rope_scaling")) {
    config.rope_scaling = read_rope_scaling(*scaling, where);
  }
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
  object["architectures"] = {"LlamaForCausalLM"};
  object["model_type"] = "llama";
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
  for (const auto& [key, value] : config.carried) {
    if (!object.contains(key)) object[key] = nlohmann::ordered_json::parse(value);
  }
  object["torch_dtype"] = name_of(weights);
  return object.dump(2) + "\n";
}

}  // namespace lookback
