// Qwen2 (Yang et al. 2024) has biases on queries, keys and values; Qwen3 (Yang et al. 2025) norms
// queries and keys head by head in their place. Both may have a window on the last layers.
#include <nlohmann/json.hpp>

#include "nn/layer/config_reader.h"
#include "nn/llama/stock/sliding_windows.h"
#include "nn/llama/stock_model.h"

namespace lookback {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr auto mrope = "use_mrope";

// The window of the config, and layer_types where it follows from max_window_layers.
std::optional<std::int64_t> take_window(json& object, std::string_view where) {
  const ConfigReader reader(object, where, "");
  bool used = false;
  reader.read("use_sliding_window", used);
  const auto& first = object.at("max_window_layers");
  reader.check(first.is_number_integer() && first >= 0, "max_window_layers",
               "must be an integer of at least 0");
  auto window = take_sliding_window(object, where);
  if (!used) window.reset();
  if (window && object.value("layer_types", json()).is_null()) {
    auto layers = LlamaConfig{}.num_hidden_layers;
    reader.read("num_hidden_layers", layers);
    std::vector<LayerType> types;
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      types.push_back(first <= layer ? LayerType::sliding : LayerType::full);
    }
    object["layer_types"] = layer_types_json(types);
  }
  object.erase("use_sliding_window");
  object.erase("max_window_layers");
  return window;
}

class Qwen : public StockModel {
 public:
  json defaults() const override {
    return {{"vocab_size", 151936},        {"intermediate_size", 22016},
            {"num_key_value_heads", 32},   {"max_position_embeddings", 32768},
            {"use_sliding_window", false}, {"sliding_window", 4096},
            {"max_window_layers", 28}};
  }
  // Of models that see pictures.
  std::vector<std::string_view> idle_keys() const override { return {mrope}; }

  void refuse(const json& object, std::string_view where) const override {
    ConfigReader(object, where, "").require(mrope, false);
  }

  void translate(json& object, std::string_view where) const override {
    put_window(object, where, take_window(object, where));
    put_options(object, causal_attention(object, where));
  }

  std::optional<ordered_json> keys_of(const LlamaConfig& config) const override {
    const auto windows = sliding_windows_of(config);
    if (!windows || config.mlp_bias) return std::nullopt;
    if (!windows->window) return ordered_json{{"use_sliding_window", false}};
    const auto first = std::ranges::find(windows->layers, LayerType::sliding);
    return ordered_json{{"use_sliding_window", true},
                        {"sliding_window", *windows->window},
                        {"max_window_layers", first - windows->layers.begin()},
                        {"layer_types", layer_types_json(windows->layers)}};
  }

 private:
  virtual void put_options(json& object, json& attention) const = 0;
};

class Qwen2 final : public Qwen {
  std::string_view architecture() const override { return "Qwen2ForCausalLM"; }
  void put_options(json& object, json& attention) const override {
    object["attention_bias"] = true;
    attention["attention_out_bias"] = false;
  }
};

class Qwen3 final : public Qwen {
  std::string_view architecture() const override { return "Qwen3ForCausalLM"; }
  json defaults() const override {
    auto keys = Qwen::defaults();
    keys["head_dim"] = 128;
    return keys;
  }
  void put_options(json&, json& attention) const override {
    attention["qk_norm"] = "rms_norm_per_head";
  }
};

const StockModels::Add qwen2{"qwen2", [] { return std::make_unique<Qwen2>(); }};
const StockModels::Add qwen3{"qwen3", [] { return std::make_unique<Qwen3>(); }};

}  // namespace
}  // namespace lookback
