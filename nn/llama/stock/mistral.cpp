// Mistral (Jiang et al. 2023): every layer looks at the last sliding_window tokens, or at all.
#include <nlohmann/json.hpp>

#include "nn/llama/stock/sliding_windows.h"
#include "nn/llama/stock_model.h"

namespace lookback {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

class Mistral final : public StockModel {
 public:
  std::string_view architecture() const override { return "MistralForCausalLM"; }

  // MistralConfig() of transformers 4.57.6.
  json defaults() const override {
    return {{"intermediate_size", 14336},
            {"num_key_value_heads", 8},
            {"max_position_embeddings", 131072},
            {"sliding_window", 4096}};
  }

  void translate(json& object, std::string_view where) const override {
    causal_attention(object, where);
    put_window(object, where, take_sliding_window(object, where));
  }

  // Its class has no biases.
  std::optional<ordered_json> keys_of(const LlamaConfig& config) const override {
    const auto windows = sliding_windows_of(config);
    if (!windows || config.attention_bias || config.mlp_bias) return std::nullopt;
    if (!windows->window) return ordered_json{{"sliding_window", nullptr}};
    return ordered_json{{"sliding_window", *windows->window}};
  }
};

const StockModels::Add registered{"mistral", [] { return std::make_unique<Mistral>(); }};

}  // namespace
}  // namespace lookback
