#include "nn/layer/preset.h"

#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

std::map<std::string, Preset, std::less<>>& registered_presets() {
  static auto& map = *new std::map<std::string, Preset, std::less<>>;
  return map;
}

const PresetRegistration plain{
    "llama", {.description = "the plain Llama: no layer looks back", .config = "{}"}};

}  // namespace

const std::map<std::string, Preset, std::less<>>& presets() { return registered_presets(); }

const Preset& find_preset(std::string_view name) {
  const auto found = presets().find(name);
  if (found == presets().end()) {
    std::vector<std::string> names;
    for (const auto& [known, preset] : presets()) names.push_back(known);
    fail("preset", "unknown name {}: the nearest is {}", name, nearest_name(name, names));
  }
  return found->second;
}

PresetRegistration::PresetRegistration(std::string name, Preset preset) {
  registered_presets().emplace(std::move(name), std::move(preset));
}

}  // namespace lookback
