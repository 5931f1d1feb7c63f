// Models of transformers that are a Llama with another attention. config.json names them by its
// model_type, and says their options in keys of their own. One file for each family in
// nn/llama/stock/, registered under the model_type; docs/variants.md lists them.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/layer/config.h"
#include "runtime/registry.h"

namespace lookback {

class StockModel {
 public:
  static constexpr std::string_view family = "model_type";
  virtual ~StockModel() = default;

  // transformers' class, "MistralForCausalLM".
  virtual std::string_view architecture() const = 0;
  // What that class takes where a key is missing, null for nothing: every key that a Llama has not,
  // and every key of which a Llama's default is another.
  virtual nlohmann::json defaults() const = 0;
  // Keys that change nothing in a model that is read here; they are handed on.
  virtual std::vector<std::string_view> idle_keys() const { return {}; }

  // `object`: what config.json holds, the defaults filled in. Throws Error where it asks for what
  // no Llama has.
  virtual void refuse(const nlohmann::json& object, std::string_view where) const;
  // The same object in this program's keys: its own are taken out.
  virtual void translate(nlohmann::json& object, std::string_view where) const = 0;

  // Keys beside those of every Llama with which transformers' class computes what `config` says;
  // none: it cannot. (What they leave out of the config is found out by reading them again.)
  virtual std::optional<nlohmann::ordered_json> keys_of(const LlamaConfig& config) const = 0;
  // Whether head_dim is the width of its heads.
  virtual bool has_head_dim() const { return true; }
  // What difference_from_class() says of such a config.
  virtual std::string difference(const LlamaConfig&) const { return {}; }
};

using StockModels = Registry<StockModel>;

// The one that config.json's model_type names; null: none.
std::unique_ptr<StockModel> stock_model_of(const nlohmann::json& object);
// The model_type of the file that a config was read from, where it is one of them.
std::optional<std::string> stock_type_of(const LlamaConfig& config);

// Where transformers' class of that type computes something else than this program, in one line;
// empty: nowhere.
std::string difference_from_class(const LlamaConfig& config);

// The object without the keys that are null: they are as keys that are missing.
nlohmann::json without_nulls(nlohmann::json object);

// The same with the defaults of the class.
nlohmann::json with_defaults(const StockModel& model, const nlohmann::json& object);

}  // namespace lookback
