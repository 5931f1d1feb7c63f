// Presets: named variants of the Llama. Each is a few keys of config.json laid over the config of
// the model, and registers itself in the file that makes those keys work.
#pragma once

#include <string>
#include <string_view>

#include "runtime/registry.h"

namespace lookback {

struct Preset {
  std::string description;  // one line
  std::string config;       // a JSON object; its keys replace the config's
};

using RegisteredPresets = Registered<Preset>;
inline const RegisteredPresets::Map& presets() { return RegisteredPresets::all(); }
// Throws Error, naming the nearest, for a name that no preset has.
const Preset& find_preset(std::string_view name);

}  // namespace lookback
