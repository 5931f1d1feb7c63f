#include "nn/llama/stock/sliding_windows.h"

#include <nlohmann/json.hpp>

#include "nn/layer/attention_options.h"
#include "nn/layer/config_reader.h"

namespace lookback {
namespace {

using nlohmann::json;

constexpr auto operation = ConfigReader::operation;
constexpr auto mechanism_key = "attention_mechanism";
constexpr auto window_key = "sliding_window";

}  // namespace

json& causal_attention(json& object, std::string_view where) {
  auto& mechanism = object[mechanism_key];
  if (mechanism.is_null()) mechanism = json::object();
  const auto model_type = object.at("model_type").get<std::string>();
  if (!mechanism.is_object()) {
    fail(operation, "{}: {} is {}: must be one object where model_type is {}", where, mechanism_key,
         ConfigReader::described(mechanism), model_type);
  }
  auto& type = mechanism["type"];
  if (type.is_null()) type = AttentionOptions::default_type;
  if (type != AttentionOptions::default_type) {
    fail(operation, "{}: {}.type is {}: must be {} where model_type is {}", where, mechanism_key,
         ConfigReader::described(type), AttentionOptions::default_type, model_type);
  }
  return mechanism;
}

std::optional<std::int64_t> take_sliding_window(json& object, std::string_view where) {
  std::optional<std::int64_t> window;
  const ConfigReader reader(object, where, "");
  if (reader.find(window_key) != nullptr) reader.read(window_key, window.emplace());
  object.erase(window_key);
  return window;
}

void put_window(json& object, std::string_view where, std::optional<std::int64_t> window) {
  if (window) {
    causal_attention(object, where)["pattern"] = {{window_key, *window}};
    return;
  }
  auto layers = LlamaConfig{}.num_hidden_layers;
  ConfigReader(object, where, "").read("num_hidden_layers", layers);
  static_cast<void>(read_layer_types(object, where, layers));  // its words are checked all the same
  object.erase("layer_types");
}

std::optional<SlidingWindows> sliding_windows_of(const LlamaConfig& config) {
  SlidingWindows found;
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const auto options = attention_of(config, layer)->to_json();
    const auto pattern = options.find("pattern");
    found.layers.push_back(pattern == options.end() ? LayerType::full : LayerType::sliding);
    if (pattern == options.end()) continue;
    if (pattern->size() != 1 || !pattern->contains(window_key)) return std::nullopt;
    const auto window = pattern->at(window_key).get<std::int64_t>();
    if (found.window.value_or(window) != window) return std::nullopt;
    found.window = window;
  }
  return found;
}

}  // namespace lookback
