// What stock models with causal attention and one sliding window have in common.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "nn/layer/config.h"
#include "nn/llama/layer_types.h"

namespace lookback {

// The object's attention_mechanism, to be written into: made where there is none. Throws Error
// where it says anything but options of causal attention, for the model_type says that it is.
nlohmann::json& causal_attention(nlohmann::json& object, std::string_view where);

// Takes sliding_window out of the object; none: null.
std::optional<std::int64_t> take_sliding_window(nlohmann::json& object, std::string_view where);

// Puts the window into the attention of all layers, or of those that layer_types names; without a
// window layer_types says nothing, and goes.
void put_window(nlohmann::json& object, std::string_view where, std::optional<std::int64_t> window);

// One window at some layers. None of the layers: no window.
struct SlidingWindows {
  std::optional<std::int64_t> window;
  std::vector<LayerType> layers;
};
// None where patterns say something else, or windows differ.
std::optional<SlidingWindows> sliding_windows_of(const LlamaConfig& config);

}  // namespace lookback
