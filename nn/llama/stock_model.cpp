#include "nn/llama/stock_model.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace lookback {
namespace {

using nlohmann::json;

// transformers' classes take null for an answer here. Elsewhere it is as a key that is missing.
constexpr std::array<std::string_view, 4> null_is_none = {"head_dim", "num_key_value_heads",
                                                          "q_lora_rank", "sliding_window"};

std::optional<std::string> stock_type(const json& type) {
  const auto known = StockModels::names();
  if (!type.is_string() || std::ranges::find(known, type.get<std::string>()) == known.end()) {
    return std::nullopt;
  }
  return type.get<std::string>();
}

}  // namespace

void StockModel::refuse(const json&, std::string_view) const {}

json without_nulls(json object) {
  for (auto key = object.begin(); key != object.end();) {
    key = key->is_null() ? object.erase(key) : std::next(key);
  }
  return object;
}

std::unique_ptr<StockModel> stock_model_of(const json& object) {
  const auto type = stock_type(object.value("model_type", json()));
  return type ? StockModels::make(*type) : nullptr;
}

std::optional<std::string> stock_type_of(const LlamaConfig& config) {
  const auto found = config.carried.find("model_type");
  return found == config.carried.end() ? std::nullopt : stock_type(json::parse(found->second));
}

std::string difference_from_class(const LlamaConfig& config) {
  const auto type = stock_type_of(config);
  return type ? StockModels::make(*type)->difference(config) : "";
}

json with_defaults(const StockModel& model, const json& object) {
  auto whole = object;
  const auto defaults = model.defaults();
  for (const auto& [key, value] : defaults.items()) {
    const auto found = whole.find(key);
    const bool none_is_meant = std::ranges::find(null_is_none, key) != null_is_none.end();
    if (found == whole.end() || (found->is_null() && !none_is_meant)) whole[key] = value;
  }
  return without_nulls(whole);
}

}  // namespace lookback
