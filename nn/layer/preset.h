// Presets: named variants of the Llama. Each is a few keys of config.json laid over the config of
// the model, and registers itself in the file that makes those keys work.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "nn/layer/config.h"
#include "runtime/registry.h"

namespace lookback {

// A JSON object of config.json's keys, which may follow from the model's sizes.
class PresetKeys {
 public:
  PresetKeys(const char* keys) : PresetKeys(std::string(keys)) {}
  PresetKeys(std::string keys)
      : write_([text = std::move(keys)](const LlamaConfig&) { return text; }) {}
  explicit PresetKeys(std::function<std::string(const LlamaConfig&)> writer)
      : write_(std::move(writer)) {}

  std::string for_model(const LlamaConfig& config) const { return write_(config); }

 private:
  std::function<std::string(const LlamaConfig&)> write_;
};

struct Preset {
  std::string description;  // one line
  PresetKeys config;        // replace those of the config
};

using RegisteredPresets = Registered<Preset>;
inline const RegisteredPresets::Map& presets() { return RegisteredPresets::all(); }
// Throws Error, naming the nearest, for a name that no preset has.
const Preset& find_preset(std::string_view name);

}  // namespace lookback
