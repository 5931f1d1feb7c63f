#include "apps/model/model_choice.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/diagnosis/faults/fault.h"
#include "apps/model/model_folder.h"
#include "nn/layer/preset.h"
#include "nn/llama/config_file.h"
#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

LlamaConfig lay_over(const LlamaConfig& config, const Preset& preset, const std::string& where) {
  const auto keys = nlohmann::json::parse(preset.config.for_model(config));
  if (keys.empty()) return config;
  auto merged = nlohmann::json::parse(to_json(config));
  merged.update(keys);
  return parse_llama_config(merged.dump(), where);
}

ModelChoice choose_healthy(const std::string& config, const std::string& preset) {
  const auto& variant = find_preset(preset);
  const auto where = fmt::format("{} with preset {}", config, preset);
  if (is_built_in_config(config)) {
    return {lay_over(built_in_llama_config(config), variant, where),
            ModelChoice::Vocabulary::of_data};
  }
  if (!std::filesystem::exists(config)) {
    fail("config", "{}: no such file or folder; the nearest built-in config is {}", config,
         nearest_name(std::filesystem::path(config).filename().string(), built_in_config_names()));
  }
  return {lay_over(read_model_config(config), variant, where), ModelChoice::Vocabulary::given};
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

ModelChoice choose_model(const std::string& config, const std::string& preset,
                         const std::string& fault) {
  auto choice = choose_healthy(config, preset);
  if (!fault.empty()) set_fault(choice.config, fault);
  return choice;
}

std::string difference_of_configs(const LlamaConfig& given, const LlamaConfig& recorded) {
  auto ours = nlohmann::json::parse(to_json(given));
  auto theirs = nlohmann::json::parse(to_json(recorded));
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
