#include "apps/model/model_choice.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/cli/exit_code.h"
#include "apps/diagnosis/faults/fault.h"
#include "apps/model/model_folder.h"
#include "nn/layer/preset.h"
#include "nn/llama/config_file.h"
#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

constexpr auto attention = "attention_mechanism";

LlamaConfig lay_over(const LlamaConfig& config, const std::string& preset,
                     const std::string& where) {
  const auto keys = nlohmann::json::parse(find_preset(preset).config.for_model(config));
  if (keys.empty()) return config;
  auto merged = nlohmann::json::parse(to_json_in_own_keys(config));
  auto before = merged.value(attention, nlohmann::json::object());
  merged.update(keys);
  if (keys.contains(attention) && before.is_object()) {
    before.update(keys.at(attention));
    merged[attention] = before;
  }
  try {
    return parse_llama_config(merged.dump(), fmt::format("{} with preset {}", where, preset));
  } catch (const Error& error) {
    throw UsageError(error.what());  // no file is wrong, but what was laid over it
  }
}

ModelChoice choose_base(const std::string& config) {
  if (is_built_in_config(config)) {
    return {built_in_llama_config(config), ModelChoice::Vocabulary::of_data};
  }
  if (!std::filesystem::exists(config)) {
    fail("config", "{}: no such file or folder; the nearest built-in config is {}", config,
         nearest_name(std::filesystem::path(config).filename().string(), built_in_config_names()));
  }
  return {read_model_config(config), ModelChoice::Vocabulary::given};
}

}  // namespace

bool is_built_in_config(const std::string& name) {
  const auto names = built_in_config_names();
  return std::ranges::find(names, name) != names.end();
}

void set_fault(LlamaConfig& config, const std::string& name) {
  const auto known = Faults::names();
  if (!name.empty() && std::ranges::find(known, name) == known.end()) {
    fail("fault", "unknown name {}: the nearest is {}", name, nearest_name(name, known));
  }
  config.fault = name;
}

ModelChoice choose_model(const std::string& config, const std::vector<std::string>& presets,
                         const std::string& fault) {
  for (const auto& preset : presets) static_cast<void>(find_preset(preset));  // before the file
  auto choice = choose_base(config);
  for (const auto& preset : presets) choice.config = lay_over(choice.config, preset, config);
  if (!fault.empty()) set_fault(choice.config, fault);
  return choice;
}

std::string difference_of_configs(const LlamaConfig& given, const LlamaConfig& recorded) {
  auto ours = nlohmann::json::parse(to_json_in_own_keys(given));
  auto theirs = nlohmann::json::parse(to_json_in_own_keys(recorded));
  for (const auto* follows_from_others : {"architectures", "model_type"}) {
    ours.erase(follows_from_others);
    theirs.erase(follows_from_others);
  }
  auto keys = ours;
  keys.update(theirs);
  for (const auto& [key, value] : keys.items()) {
    const auto text = [&k = key](const nlohmann::json& config) {
      return config.contains(k) ? config.at(k).dump() : "missing";
    };
    if (text(ours) == text(theirs)) continue;
    return fmt::format("{} is {}, the run's is {}", key, text(ours), text(theirs));
  }
  return {};
}

}  // namespace lookback
