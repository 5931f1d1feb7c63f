// Presets: named variants of the Llama. Each is a few keys of config.json laid over the config of
// the model, and registers itself in the file that makes those keys work.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace lookback {

struct Preset {
  std::string description;  // one line
  std::string config;       // a JSON object; its keys replace the config's
};

// By name.
const std::map<std::string, Preset, std::less<>>& presets();
// Throws Error, naming the nearest, for a name nobody registered.
const Preset& find_preset(std::string_view name);

// A file-level object of this type adds a preset before main.
struct PresetRegistration {
  PresetRegistration(std::string name, Preset preset);
};

}  // namespace lookback
