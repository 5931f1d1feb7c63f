#include "nn/llama/rope_scaling.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "nn/layer/config_reader.h"
#include "runtime/json.h"

namespace lookback {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Kind = RopeScaling::Kind;

constexpr auto operation = ConfigReader::operation;
constexpr std::string_view original_length = "original_max_position_embeddings";
constexpr std::string_view theta = "rope_theta";

struct ScalingNumber {
  std::string_view key;
  double RopeScaling::*member;
};

// A kind by its name, with the keys that it needs, and those that it takes.
struct ScalingKind {
  std::string_view name;
  Kind kind;
  std::vector<ScalingNumber> needed, optional;
};
const std::vector<ScalingKind>& scaling_kinds() {
  static const ScalingNumber factor{"factor", &RopeScaling::factor};
  static const ScalingNumber original{original_length,
                                      &RopeScaling::original_max_position_embeddings};
  static const std::vector<ScalingKind> kinds = {
      {"default", Kind::none, {}, {}},
      {"linear", Kind::linear, {factor}, {}},
      {"llama3",
       Kind::llama3,
       {factor,
        {"low_freq_factor", &RopeScaling::low_freq_factor},
        {"high_freq_factor", &RopeScaling::high_freq_factor},
        original},
       {}},
      {"yarn",
       Kind::yarn,
       {factor},
       {original,
        {"beta_fast", &RopeScaling::beta_fast},
        {"beta_slow", &RopeScaling::beta_slow},
        {"mscale", &RopeScaling::mscale},
        {"mscale_all_dim", &RopeScaling::mscale_all_dim},
        {"attention_factor", &RopeScaling::attention_factor}}}};
  return kinds;
}

// The object of one of the two keys.
struct Source {
  const ConfigReader& reader;
  std::string_view where, key;
};

// rope_type, or `type` as it was once called; "default" for neither.
std::string scaling_name(const Source& source) {
  const auto& [reader, where, key] = source;
  const bool has_new = reader.find("rope_type") != nullptr;
  const bool has_old = reader.find("type") != nullptr;
  if (!has_new && !has_old) return "default";
  auto name = reader.text(has_new ? "rope_type" : "type");
  if (has_new && has_old && reader.text("type") != name) {
    fail(operation, "{}: {}.type is {} and {}.rope_type is {}: they must agree", where, key,
         in_quotes(reader.text("type")), key, in_quotes(name));
  }
  return name;
}

const ScalingKind& kind_of(const Source& source) {
  const auto name = scaling_name(source);
  const auto kind = std::ranges::find(scaling_kinds(), name, &ScalingKind::name);
  if (kind == scaling_kinds().end()) {
    fail(operation, "{}: {}.rope_type is {}: must be default, linear, llama3 or yarn", source.where,
         source.key, in_quotes(name));
  }
  return *kind;
}

// Keys that change nothing: a length that this kind does not look at, the marks of tools, and what
// is at the value of a rotation without it.
bool is_idle(const ConfigReader& reader, const ScalingKind& kind, std::string_view key) {
  const auto* value = reader.find(key);
  if (value == nullptr) return true;
  if (key == original_length) return kind.kind == Kind::none || kind.kind == Kind::linear;
  if (key == "finetuned") return true;
  if (key == "truncate") return kind.kind == Kind::yarn && *value == true;
  if (key == "partial_rotary_factor") return *value == 1;
  return kind.kind == Kind::none && key == "factor" && *value == 1;
}

// transformers 5 has one object for each type of layers where they turn differently.
void refuse_types_of_layers(const json& value, std::string_view where, std::string_view key) {
  for (const auto& [type, each] : value.items()) {
    if (!each.is_object()) continue;
    fail(operation, "{}: {}.{} is an object: all layers of a model must turn alike here", where,
         key, type);
  }
}

void refuse_unknown(const ConfigReader& reader, const ScalingKind& kind) {
  std::vector<std::string_view> known;
  for (const auto* numbers : {&kind.needed, &kind.optional}) {
    for (const auto& number : *numbers) known.push_back(number.key);
  }
  known.insert(known.end(), {"rope_type", "type", "rope_theta"});
  reader.refuse_unknown(known, [&](std::string_view key) { return is_idle(reader, kind, key); });
}

RopeScaling read_scaling(const json& value, std::string_view where, std::string_view key,
                         const LlamaConfig& config) {
  if (!value.is_object()) {
    fail(operation, "{}: {} is {}: must be an object or null", where, key,
         ConfigReader::described(value));
  }
  const ConfigReader reader(value, where, fmt::format("{}.", key));
  refuse_types_of_layers(value, where, key);
  const auto& kind = kind_of({reader, where, key});
  refuse_unknown(reader, kind);

  RopeScaling scaling{.kind = kind.kind};
  for (const auto& [needed, member] : kind.needed) {
    if (reader.find(needed) == nullptr) {
      fail(operation, "{}: {} of rope_type {} has no {}", where, key, kind.name, needed);
    }
    reader.read(needed, scaling.*member, ConfigReader::Least::above_zero);
  }
  if (scaling.kind == Kind::yarn) {
    scaling.original_max_position_embeddings = static_cast<double>(config.max_position_embeddings);
  }
  for (const auto& [optional, member] : kind.optional) {
    if (reader.find(optional) == nullptr) continue;
    double number = 0;
    reader.read(optional, number, ConfigReader::Least::zero);
    if (number > 0) scaling.*member = number;  // as transformers: 0 counts as missing
  }
  if (scaling.kind == Kind::llama3) {
    reader.check(scaling.high_freq_factor > scaling.low_freq_factor, "high_freq_factor",
                 "must be above low_freq_factor, {}", scaling.low_freq_factor);
  }
  if (scaling.kind == Kind::yarn && config.rope_theta == 1) {
    fail(operation, "{}: rope_theta is 1: must be another number where rope_type is yarn", where);
  }
  return scaling;
}

// What the two keys say, and whether rope_theta has been read anywhere.
struct Rotation {
  std::vector<RopeScaling> scalings;
  bool has_theta = false;
};

// rope_theta inside the object of a key; it must be the one that was read before, where one was.
void read_theta(const json& value, std::string_view where, std::string_view key, Rotation& rotation,
                LlamaConfig& config) {
  const ConfigReader inside(value, where, fmt::format("{}.", key));
  if (inside.find(theta) == nullptr) return;
  const auto before = config.rope_theta;
  inside.read(theta, config.rope_theta, ConfigReader::Least::above_zero);
  inside.check(!rotation.has_theta || before == config.rope_theta, theta,
               "must be the rope_theta that stands outside it, {}", before);
  rotation.has_theta = true;
}

}  // namespace

void read_rope(const json& object, std::string_view where, LlamaConfig& config) {
  const ConfigReader reader(object, where, "");
  Rotation rotation{.scalings = {}, .has_theta = reader.find(theta) != nullptr};
  for (const auto* key : {"rope_scaling", "rope_parameters"}) {
    const auto* value = reader.find(key);
    if (value == nullptr) continue;
    if (value->is_object()) read_theta(*value, where, key, rotation, config);
    rotation.scalings.push_back(read_scaling(*value, where, key, config));
  }
  const auto& read = rotation.scalings;
  if (read.size() == 2 && !(read[0] == read[1])) {
    fail(operation, "{}: rope_scaling is {} and rope_parameters is {}: they must agree", where,
         object.at("rope_scaling").dump(), object.at("rope_parameters").dump());
  }
  if (!read.empty()) config.rope_scaling = read[0];
}

ordered_json rope_scaling_json(const RopeScaling& scaling) {
  if (scaling.kind == Kind::none) return nullptr;
  const auto kind = std::ranges::find(scaling_kinds(), scaling.kind, &ScalingKind::kind);
  ordered_json object{{"rope_type", kind->name}};
  for (const auto* numbers : {&kind->needed, &kind->optional}) {
    for (const auto& [key, member] : *numbers) {
      if (scaling.*member != 0) object[key] = scaling.*member;
    }
  }
  // transformers wants this one to be an integer
  if (auto found = object.find(original_length); found != object.end()) {
    const auto length = scaling.original_max_position_embeddings;
    if (length == std::floor(length)) *found = static_cast<std::int64_t>(length);
  }
  return object;
}

}  // namespace lookback
