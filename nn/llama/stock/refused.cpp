// Models of transformers whose config.json may look like a Llama's, and that compute what no Llama
// has outside its attention.
#include "nn/layer/config_reader.h"
#include "nn/llama/stock_model.h"

namespace lookback {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

class Refused final : public StockModel {
 public:
  Refused(std::string_view architecture, std::string_view reason)
      : architecture_(architecture), reason_(reason) {}

  std::string_view architecture() const override { return architecture_; }
  json defaults() const override { return json::object(); }
  [[noreturn]] void refuse(const json& object, std::string_view where) const override {
    fail(ConfigReader::operation, "{}: model_type is {}: {}, which no Llama has", where,
         object.at("model_type").get<std::string>(), reason_);
  }
  void translate(json&, std::string_view) const override {}
  std::optional<ordered_json> keys_of(const LlamaConfig&) const override { return std::nullopt; }

 private:
  std::string_view architecture_, reason_;
};

struct RefusedType {
  RefusedType(const char* type, std::string_view architecture, std::string_view reason)
      : added_(type, [=] { return std::make_unique<Refused>(architecture, reason); }) {}

 private:
  StockModels::Add added_;
};

const RefusedType olmo{"olmo", "OlmoForCausalLM", "its norms are LayerNorm without parameters"};
const RefusedType olmo2{"olmo2", "Olmo2ForCausalLM",
                        "its norms stand behind attention and MLP (post-norms)"};
const RefusedType gemma{
    "gemma", "GemmaForCausalLM",
    "its MLP has GELU, its norms multiply by 1 + weight, and its embeddings are "
    "scaled"};
const RefusedType gemma2{
    "gemma2", "Gemma2ForCausalLM",
    "its MLP has GELU, its norms multiply by 1 + weight, and some stand behind "
    "attention and MLP (post-norms)"};
const RefusedType mpt{"mpt", "MptForCausalLM", "its norms are LayerNorm, and its MLP has GELU"};
const RefusedType jetmoe{"jetmoe", "JetMoeForCausalLM", "its MLP is a mixture of experts"};
const RefusedType mixtral{"mixtral", "MixtralForCausalLM", "its MLP is a mixture of experts"};

}  // namespace
}  // namespace lookback
