#include "nn/layer/attention_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "nn/layer/attention_mechanism.h"
#include "nn/layer/combination_error.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view path = "attention_mechanism";

bool nothing_ignored(std::string_view) { return false; }

const std::vector<std::string> position_names{"rope", "alibi", "none"};
const std::vector<std::string> norm_names{"none", "layer_norm", "rms_norm", "rms_norm_per_head"};

// An option of every type, and the JSON of its default where that is not null.
struct EveryType {
  std::string_view key, default_value = {};
};
// In the order in which a ladder switches them on.
constexpr std::array<EveryType, 8> every_type{{{"softmax_scale"},
                                               {"attn_logit_softcapping"},
                                               {"position_embedding_type", "\"rope\""},
                                               {"alibi_bias_max", "8"},
                                               {"clip_qkv"},
                                               {"qk_norm"},
                                               {"attention_out_bias"},
                                               {"pattern"}}};

void check_keys(std::string_view type, const ConfigReader& reader, const TypeKeys& keys) {
  auto known = keys.own;
  known.push_back("type");
  for (const auto& option : every_type) known.push_back(option.key);
  reader.refuse_unknown(known, nothing_ignored);
  for (const auto& option : keys.refused) {
    if (reader.find(option.key) == nullptr) continue;
    const auto stated = reader.find(option.key)->dump();
    const auto refused =
        option.values.empty()
            ? stated != std::ranges::find(every_type, option.key, &EveryType::key)->default_value
            : std::ranges::any_of(option.values, [&](const auto value) {
                return stated == fmt::format("\"{}\"", value);
              });
    reader.check(!refused, option.key, "has no meaning for {} attention", type);
  }
}

void read_number(const ConfigReader& reader, std::string_view key, std::optional<double>& target) {
  if (reader.find(key) == nullptr) return;
  target = 1;
  reader.read(key, *target, ConfigReader::Least::above_zero);
}

HeadOptions read_head_options(const AttentionText& text) {
  const auto& reader = text.reader;
  HeadOptions options;
  read_number(reader, "softmax_scale", options.softmax_scale);
  read_number(reader, "attn_logit_softcapping", options.soft_cap);
  read_number(reader, "clip_qkv", options.clip);
  if (reader.find("position_embedding_type") != nullptr) {
    const auto word = reader.read_word("position_embedding_type", position_names);
    options.positions = static_cast<Positions>(word);
  }
  if (reader.find("alibi_bias_max") != nullptr) {
    reader.read("alibi_bias_max", options.alibi_bias_max, ConfigReader::Least::above_zero);
  }
  if (reader.find("qk_norm") != nullptr) {
    const std::vector<std::string> kinds(norm_names.begin() + 1, norm_names.end());
    options.qk_norm = static_cast<QueryKeyNormKind>(1 + reader.read_word("qk_norm", kinds));
  }
  if (reader.find("attention_out_bias") != nullptr) {
    options.attention_out_bias = false;
    reader.read("attention_out_bias", *options.attention_out_bias);
  }
  if (reader.find("pattern") != nullptr) {
    options.pattern = read_pattern({reader.object_at("pattern"), text.config});
  }
  return options;
}

void write_head_options(const HeadOptions& options, ordered_json& object) {
  static const HeadOptions plain;
  if (options.softmax_scale) object["softmax_scale"] = *options.softmax_scale;
  if (options.soft_cap) object["attn_logit_softcapping"] = *options.soft_cap;
  if (options.positions != plain.positions) {
    object["position_embedding_type"] = position_names[static_cast<std::size_t>(options.positions)];
  }
  if (options.positions == Positions::alibi && options.alibi_bias_max != plain.alibi_bias_max) {
    object["alibi_bias_max"] = options.alibi_bias_max;
  }
  if (options.clip) object["clip_qkv"] = *options.clip;
  if (options.qk_norm != plain.qk_norm) {
    object["qk_norm"] = norm_names[static_cast<std::size_t>(options.qk_norm)];
  }
  if (options.attention_out_bias) object["attention_out_bias"] = *options.attention_out_bias;
  if (options.pattern.empty()) return;
  auto& rules = object["pattern"] = ordered_json::object();
  for (const auto& rule : options.pattern) rule->write(rules);
}

std::shared_ptr<const AttentionOptions> read_object(const json& object, std::string_view where,
                                                    std::string_view prefix,
                                                    const LlamaConfig& config) {
  const ConfigReader reader(object, where, std::string(prefix));
  std::string type(AttentionOptions::default_type);
  if (reader.find("type") != nullptr) type = reader.text("type");
  const auto known = AttentionTypes::names();
  reader.check(std::ranges::find(known, type) != known.end(), "type",
               "no such mechanism: the nearest is {}", nearest_name(type, known));
  auto options = AttentionTypes::make(type, AttentionText{reader, config});
  options->drop_defaults(config);
  return options;
}

AttentionChoice choice_of(const json& object, const LlamaConfig& config) {
  return {read_object(object, "attention", "attention_mechanism.", config)};
}

bool is_of_every_type(std::string_view key) {
  return std::ranges::find(every_type, key, &EveryType::key) != every_type.end();
}

// Whether the object says all that its type needs.
bool is_whole(const json& object, const LlamaConfig& config) {
  try {
    choice_of(object, config);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// The object with those of its type's own options alone that the type cannot do without.
json least_of(const ordered_json& whole, const LlamaConfig& config) {
  auto least = json::parse(whole.dump());
  for (const auto& option : every_type) least.erase(std::string(option.key));
  for (const auto& [key, value] : whole.items()) {
    auto without = least;
    without.erase(key);
    if (key != "type" && is_whole(without, config)) least = without;
  }
  return least;
}

}  // namespace

AttentionWork work_of_heads(const LlamaConfig& config) {
  const auto queries = config.num_attention_heads * config.head_dim;
  const auto keys = config.num_key_value_heads * config.head_dim;
  return {.projections = config.hidden_size * (2 * queries + 2 * keys), .per_key = 2 * queries};
}

AttentionOptions::~AttentionOptions() = default;

AttentionOptions::AttentionOptions(std::string_view type, const AttentionText& text, TypeKeys keys)
    : type_(type) {
  check_keys(type, text.reader, keys);
  static_cast<HeadOptions&>(*this) = read_head_options(text);
}

void AttentionOptions::require_own_key_heads(const AttentionText& text) {
  const auto& config = text.config;
  if (config.num_key_value_heads == config.num_attention_heads) return;
  text.reader.check(false, "type", "num_key_value_heads must be num_attention_heads, {}",
                    config.num_attention_heads);
}

void AttentionOptions::drop_defaults(const LlamaConfig& config) {
  if (attention_out_bias == config.attention_bias) attention_out_bias.reset();
  const auto width = score_width(config);
  if (width && softmax_scale == 1 / std::sqrt(*width)) softmax_scale.reset();
}

ordered_json AttentionOptions::to_json() const {
  ordered_json object{{"type", type_}};
  write_own(object);
  write_head_options(*this, object);
  return object;
}

bool AttentionOptions::is_default() const {
  return to_json() == ordered_json{{"type", default_type}};
}

bool operator==(const AttentionChoice& a, const AttentionChoice& b) {
  return a.options == b.options || a.options->to_json() == b.options->to_json();
}

std::vector<AttentionChoice> read_attention(const json& value, std::string_view where,
                                            const LlamaConfig& config) {
  const auto layers = static_cast<std::size_t>(config.num_hidden_layers);
  if (!value.is_object() && !(value.is_array() && value.size() == layers)) {
    fail(ConfigReader::operation, "{}: {} must be an object, or a list of {}, one per layer", where,
         path, layers);
  }
  std::vector<AttentionChoice> all;
  for (std::size_t layer = 0; layer < (value.is_array() ? layers : 1); ++layer) {
    const auto prefix =
        value.is_array() ? fmt::format("{}[{}].", path, layer) : fmt::format("{}.", path);
    const auto& object = value.is_array() ? value[layer] : value;
    if (!object.is_object()) {
      fail(ConfigReader::operation, "{}: {} is {}: must be an object", where,
           std::string_view(prefix).substr(0, prefix.size() - 1), ConfigReader::described(object));
    }
    all.push_back({read_object(object, where, prefix, config)});
  }
  const bool plain =
      std::ranges::all_of(all, [](const auto& each) { return each.options->is_default(); });
  if (plain) return {};
  const bool alike = std::ranges::all_of(all, [&](const auto& each) { return each == all[0]; });
  if (alike) all.resize(1);
  return all;
}

void check_accumulation(const LlamaConfig& config, std::string_view where) {
  if (config.score_scale.empty()) return;
  const auto refuse = [&](const std::string& why) {
    throw CombinationError(fmt::format("[{}] {}: {}", ConfigReader::operation, where, why));
  };
  const auto first = attention_of(config, 0);
  for (const auto& each : config.attention) {
    const auto& options = *each.options;
    if (!options.score_width(config)) {
      refuse(fmt::format("score_accumulation: {} has no scores that layers could add up",
                         options.type()));
    }
    if (options.type() != first->type() ||
        options.score_width(config) != first->score_width(config)) {
      refuse(
          fmt::format("score_accumulation: all layers must have attention of one type and width: "
                      "{} and {} differ",
                      first->type(), options.type()));
    }
    if (options.softmax_scale)
      refuse("softmax_scale: must be absent where score_accumulation says the scale");
  }
}

ordered_json attention_json(const LlamaConfig& config) {
  if (config.attention.size() == 1) return config.attention[0].options->to_json();
  auto list = ordered_json::array();
  for (const auto& each : config.attention) list.push_back(each.options->to_json());
  return list;
}

std::shared_ptr<const AttentionOptions> attention_of(const LlamaConfig& config,
                                                     std::int64_t layer) {
  if (config.attention.empty()) return choice_of(json::object(), config).options;
  const auto last = config.attention.size() - 1;
  return config.attention[std::min(static_cast<std::size_t>(layer), last)].options;
}

std::vector<AttentionChoice> resized_attention(const LlamaConfig& config) {
  auto all = config.attention;
  for (auto& each : all) each.options = each.options->resized(config);
  if (all.size() > 1) all.resize(static_cast<std::size_t>(config.num_hidden_layers), all.back());
  return all;
}

std::vector<AttentionStep> attention_steps(const LlamaConfig& config) {
  if (config.attention.empty()) return {};
  if (config.attention.size() > 1) return {{"attention: one per layer", config.attention}};
  const auto goal = config.attention[0].options->to_json();
  auto now = least_of(goal, config);
  std::vector<AttentionStep> steps;
  if (now != json{{"type", AttentionOptions::default_type}}) {
    const auto type = goal.at("type").get<std::string>();
    steps.push_back({fmt::format("attention: {}", type), {choice_of(now, config)}});
  }
  const auto switch_on = [&](const std::string& key) {
    if (now.contains(key) || !goal.contains(key)) return;
    now[key] = goal[key];
    const auto axis = key == "pattern"
                          ? "pattern: " + described(config.attention[0].options->pattern)
                          : fmt::format("attention: {} {}", key, goal[key].dump());
    steps.push_back({axis, {choice_of(now, config)}});
  };
  for (const auto& [key, value] : goal.items()) {
    if (!is_of_every_type(key)) switch_on(key);
  }
  for (const auto& option : every_type) switch_on(std::string(option.key));
  return steps;
}

}  // namespace lookback
