#include "nn/layer/preset.h"

#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

const RegisteredPresets::Add plain{
    "llama", {.description = "the plain Llama: no layer looks back", .config = "{}"}};

}  // namespace

const Preset& find_preset(std::string_view name) {
  const auto found = presets().find(name);
  if (found == presets().end()) {
    fail("preset", "unknown name {}: the nearest is {}", name,
         nearest_name(name, RegisteredPresets::names()));
  }
  return found->second;
}

}  // namespace lookback
