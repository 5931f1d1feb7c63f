// Presets: named variants of the Llama. Each is a few keys of config.json laid over the config of
// the model, and registers itself in the file that makes those keys work.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "nn/layer/config.h"

namespace lookback {

// A JSON object of config.json's keys, which may follow from the model's sizes.
class PresetKeys {
 public:
  PresetKeys(const char* keys) : PresetKeys(std::string(keys)) {}
  PresetKeys(std::string keys)
      : write([text = std::move(keys)](const LlamaConfig&) { return text; }) {}
  explicit PresetKeys(std::function<std::string(const LlamaConfig&)> writer)
      : write(std::move(writer)) {}

  std::string for_model(const LlamaConfig& config) const { return write(config); }

 private:
  std::function<std::string(const LlamaConfig&)> write;
};

struct Preset {
  std::string description;  // one line
  PresetKeys config;        // replace those of the config
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
