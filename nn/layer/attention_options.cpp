#include "nn/layer/attention_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "nn/layer/attention_mechanism.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view path = "attention_mechanism";

bool nothing_ignored(std::string_view) { return false; }

std::vector<std::string_view> known_keys(std::vector<std::string_view> own) {
  own.insert(own.end(), {"type", "softmax_scale", "attention_out_bias", "pattern"});
  return own;
}

std::vector<std::shared_ptr<const PatternRule>> read_pattern(const ConfigReader& reader) {
  const auto pattern = reader.object_at("pattern");
  const auto names = PatternRules::names();
  pattern.refuse_unknown({names.begin(), names.end()}, nothing_ignored);
  std::vector<std::shared_ptr<const PatternRule>> rules;
  for (const auto& name : names) rules.push_back(PatternRules::make(name, pattern));
  return rules;
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
  return AttentionTypes::make(type, AttentionText{reader, config});
}

AttentionChoice choice_of(const json& object, const LlamaConfig& config) {
  return {read_object(object, "attention", "attention_mechanism.", config)};
}

}  // namespace

AttentionOptions::~AttentionOptions() = default;

AttentionOptions::AttentionOptions(std::string_view type, const AttentionText& text,
                                   std::vector<std::string_view> own)
    : type_(type) {
  const auto& reader = text.reader;
  reader.refuse_unknown(known_keys(std::move(own)), nothing_ignored);
  if (reader.find("softmax_scale") != nullptr) {
    softmax_scale = 1;
    reader.read("softmax_scale", *softmax_scale, ConfigReader::Least::above_zero);
  }
  if (reader.find("attention_out_bias") != nullptr) {
    attention_out_bias = false;
    reader.read("attention_out_bias", *attention_out_bias);
  }
  if (reader.find("pattern") != nullptr) pattern = read_pattern(reader);
}

ordered_json AttentionOptions::to_json() const {
  ordered_json object{{"type", type_}};
  write_own(object);
  if (softmax_scale) object["softmax_scale"] = *softmax_scale;
  if (attention_out_bias) object["attention_out_bias"] = *attention_out_bias;
  if (!pattern.empty()) {
    auto& rules = object["pattern"] = ordered_json::object();
    for (const auto& rule : pattern) rule->write(rules);
  }
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
  const auto first = attention_of(config, 0);
  for (const auto& each : config.attention) {
    const auto& options = *each.options;
    if (!options.score_width(config)) {
      fail(ConfigReader::operation,
           "{}: score_accumulation: {} has no scores that layers could add up", where,
           options.type());
    }
    if (options.type() != first->type() ||
        options.score_width(config) != first->score_width(config)) {
      fail(ConfigReader::operation,
           "{}: score_accumulation: all layers must have attention of one type and width: {} and "
           "{} differ",
           where, first->type(), options.type());
    }
    if (options.softmax_scale) {
      fail(ConfigReader::operation,
           "{}: softmax_scale: must be absent where score_accumulation says the scale", where);
    }
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
  const auto goal = json::parse(config.attention[0].options->to_json().dump());
  std::vector<AttentionStep> steps;
  auto now = goal;
  for (const auto* common : {"softmax_scale", "attention_out_bias", "pattern"}) now.erase(common);
  const auto type = goal.at("type").get<std::string>();
  if (now != json{{"type", AttentionOptions::default_type}}) {
    steps.push_back({fmt::format("attention: {}", type), {choice_of(now, config)}});
  }
  for (const auto* option : {"softmax_scale", "attention_out_bias"}) {
    if (!goal.contains(option)) continue;
    now[option] = goal[option];
    steps.push_back(
        {fmt::format("attention: {} {}", option, goal[option].dump()), {choice_of(now, config)}});
  }
  if (goal.contains("pattern")) {
    std::string rules;
    for (const auto& rule : config.attention[0].options->pattern) {
      rules += (rules.empty() ? "" : ", ") + rule->described();
    }
    steps.push_back({fmt::format("pattern: {}", rules), config.attention});
  }
  return steps;
}

}  // namespace lookback
