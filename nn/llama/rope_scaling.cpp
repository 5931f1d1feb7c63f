#include "nn/llama/rope_scaling.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "nn/layer/config_reader.h"

namespace lookback {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Kind = RopeScaling::Kind;

constexpr auto operation = ConfigReader::operation;
constexpr std::string_view original_length = "original_max_position_embeddings";

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

const ScalingKind& kind_of(const ConfigReader& reader, std::string_view where) {
  const auto name = scaling_name(reader, where);
  const auto kind = std::ranges::find(scaling_kinds(), name, &ScalingKind::name);
  if (kind == scaling_kinds().end()) {
    fail(operation, "{}: rope_scaling.rope_type is {}: must be default, linear, llama3 or yarn",
         where, in_quotes(name));
  }
  return *kind;
}

void refuse_unknown(const ConfigReader& reader, const ScalingKind& kind) {
  std::vector<std::string_view> known;
  for (const auto* numbers : {&kind.needed, &kind.optional}) {
    for (const auto& number : *numbers) known.push_back(number.key);
  }
  known.insert(known.end(), {"rope_type", "type"});
  reader.refuse_unknown(known, [](std::string_view) { return false; });
}

}  // namespace

RopeScaling read_rope_scaling(const json& value, std::string_view where,
                              const LlamaConfig& config) {
  if (!value.is_object()) {
    fail(operation, "{}: rope_scaling is {}: must be an object or null", where,
         ConfigReader::described(value));
  }
  const ConfigReader reader(value, where, "rope_scaling.");
  const auto& kind = kind_of(reader, where);
  refuse_unknown(reader, kind);

  RopeScaling scaling{.kind = kind.kind};
  for (const auto& [key, member] : kind.needed) {
    if (reader.find(key) == nullptr) {
      fail(operation, "{}: rope_scaling of rope_type {} has no {}", where, kind.name, key);
    }
    reader.read(key, scaling.*member, ConfigReader::Least::above_zero);
  }
  if (scaling.kind == Kind::yarn) {
    scaling.original_max_position_embeddings = static_cast<double>(config.max_position_embeddings);
  }
  for (const auto& [key, member] : kind.optional) {
    if (reader.find(key) == nullptr) continue;
    double number = 0;
    reader.read(key, number, ConfigReader::Least::zero);
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
