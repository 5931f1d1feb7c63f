#include "nn/llama/config_file.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "nn/layer/attention_options.h"
#include "nn/layer/config_reader.h"
#include "nn/llama/config_fields.h"
#include "nn/llama/config_keys.h"
#include "nn/llama/foreign_keys.h"
#include "nn/llama/model_class.h"
#include "nn/llama/rope_scaling.h"
#include "nn/llama/stock_model.h"
#include "nn/llama/variant_keys.h"
#include "runtime/json.h"
#include "runtime/other_content.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using nlohmann::json;

constexpr auto operation = ConfigReader::operation;

bool is_ignored(std::string_view key) {
  return key.starts_with('_') ||
         std::ranges::find(ignored_config_keys, key) != ignored_config_keys.end();
}

constexpr std::int64_t most_layers = 65536;

std::vector<std::string> known_keys(const StockModel* stock) {
  std::vector<std::string> keys = {"num_key_value_heads",  "head_dim",           "rope_scaling",
                                   "attention_dropout",    "pretraining_tp",     "hidden_act",
                                   "cross_layer_residual", "score_accumulation", "fault",
                                   "attention_mechanism",  "layer_types",        "rope_parameters"};
  for (const auto& field : size_fields) keys.emplace_back(field.key);
  for (const auto& field : number_fields) keys.emplace_back(field.key);
  for (const auto& field : switch_fields) keys.emplace_back(field.key);
  if (stock == nullptr) return keys;
  const auto defaults = stock->defaults();
  for (const auto& [key, value] : defaults.items()) keys.push_back(key);
  for (const auto key : stock->idle_keys()) keys.emplace_back(key);
  return keys;
}

bool is_idle(const StockModel* stock, std::string_view key) {
  if (stock == nullptr) return false;
  const auto keys = stock->idle_keys();
  return std::ranges::find(keys, key) != keys.end();
}

// The keys that change nothing. Throws Error for those that are unknown.
std::vector<std::string> idle_keys_of(const json& given, const StockModel* stock,
                                      std::string_view where) {
  const auto known = known_keys(stock);
  std::vector<std::string> idle;
  for (const auto& [key, value] : given.items()) {
    const bool is_known = std::ranges::find(known, key) != known.end();
    if (is_ignored(key) || is_idle(stock, key) ||
        (!is_known && says_nothing(key, given, known, where))) {
      idle.push_back(key);
    }
  }
  return idle;
}

// The same with the model_type that it means.
json with_model_type(json given, std::string_view where) {
  const auto type = model_type_of(given, where);
  if (!type.empty()) given["model_type"] = type;
  return given;
}

// The keys of which one value alone works, or several that compute the same.
void require_what_works(const ConfigReader& reader) {
  reader.require("attention_dropout", 0);
  std::int64_t parts = 1;  // into which products are cut, for the same sums
  reader.read("pretraining_tp", parts);
  const auto* activation = reader.find("hidden_act");
  if (activation == nullptr || *activation != "swish") reader.require("hidden_act", "silu");
}

// The same model in keys of a Llama and ours.
json in_own_keys(const StockModel* stock, const json& given, std::string_view where) {
  if (stock == nullptr) return without_nulls(given);
  auto object = with_defaults(*stock, given);
  stock->translate(object, where);
  return object;
}

// Small tensors by the million fill the memory one by one, where a large one is refused at once.
void check_layers(const ConfigReader& reader) {
  std::int64_t layers = 1;
  if (reader.find("num_hidden_layers") != nullptr) reader.read("num_hidden_layers", layers);
  reader.check(layers <= most_layers, "num_hidden_layers", "must be at most {}", most_layers);
}

void read_heads(const ConfigReader& reader, std::string_view where, LlamaConfig& config) {
  const Check check{operation};
  const auto heads = config.num_attention_heads;
  config.num_key_value_heads = heads;
  if (reader.find("num_key_value_heads") != nullptr) {
    reader.read("num_key_value_heads", config.num_key_value_heads);
  }
  check(heads % config.num_key_value_heads == 0,
        "{}: num_attention_heads is {}: must be a multiple of num_key_value_heads, {}", where,
        heads, config.num_key_value_heads);
  if (reader.find("head_dim") != nullptr) {
    reader.read("head_dim", config.head_dim);
  } else {
    check(config.hidden_size % heads == 0,
          "{}: hidden_size is {}: must be a multiple of num_attention_heads, {}, where no head_dim "
          "is given",
          where, config.hidden_size, heads);
    config.head_dim = config.hidden_size / heads;
  }
}

// Of layers that turn whole heads by their positions.
void check_rotary_width(const LlamaConfig& config, std::string_view where) {
  const Check check{operation};
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const auto options = attention_of(config, layer);
    const auto width = options->rotary_width(config);
    check(options->positions != Positions::rope || !width || *width % 2 == 0,
          "{}: the head size is {}: must be even, for rotary positions turn pairs (head_dim, or "
          "hidden_size / num_attention_heads)",
          where, config.head_dim);
    if (config.attention.size() <= 1) break;  // all layers are alike
  }
}

// The keys of every Llama.
void write_shape(const LlamaConfig& config, nlohmann::ordered_json& object) {
  for (const auto& field : size_fields) object[field.key] = config.*field.member;
  object["num_key_value_heads"] = config.num_key_value_heads;
  object["head_dim"] = config.head_dim;
  object["hidden_act"] = "silu";
  for (const auto& field : number_fields) object[field.key] = config.*field.member;
  object["rope_scaling"] = rope_scaling_json(config.rope_scaling);
  for (const auto& field : switch_fields) object[field.key] = config.*field.member;
}

nlohmann::ordered_json own_keys_of(const LlamaConfig& config) {
  nlohmann::ordered_json object;
  write_model_type(config, object);
  write_shape(config, object);
  write_variant(config, object);
  return object;
}

// Whether a stock model read as `read` computes what `config` says.
bool computes(const StockModel& stock, LlamaConfig read, const LlamaConfig& config) {
  read.carried = config.carried;
  if (!stock.has_head_dim()) read.head_dim = config.head_dim;
  return read == config;
}

std::optional<nlohmann::ordered_json> keys_as(const std::string& model_type,
                                              const StockModel& stock, const LlamaConfig& config) {
  const auto keys = stock.keys_of(config);
  if (!keys) return std::nullopt;
  nlohmann::ordered_json object{{"architectures", {stock.architecture()}},
                                {"model_type", model_type}};
  write_shape(config, object);
  object.update(*keys);
  const auto read = parse_llama_config(object.dump(), model_type);
  return computes(stock, read, config) ? std::optional(object) : std::nullopt;
}

// The class of transformers that computes the config, and its keys: that of the file the config
// comes from, if it still does. None: the plain Llama, or a variant that no class computes.
struct StockKeys {
  std::unique_ptr<StockModel> stock;
  std::optional<nlohmann::ordered_json> keys;
};
StockKeys stock_keys_of(const LlamaConfig& config) {
  std::vector<std::string> types;
  if (auto type = stock_type_of(config)) types.push_back(*type);
  if (is_variant(config)) {
    // The newer of two that compute the same first.
    const auto names = StockModels::names();
    types.insert(types.end(), names.rbegin(), names.rend());
  }
  for (const auto& type : types) {
    auto stock = StockModels::make(type);
    if (auto keys = keys_as(type, *stock, config)) return {std::move(stock), std::move(keys)};
  }
  return {};
}

// The keys that say nothing, as they were read; but for the dtype of weights, by its two names.
void carry(const LlamaConfig& config, const StockModel* stock, nlohmann::ordered_json& object) {
  for (const auto& [key, value] : config.carried) {
    if (object.contains(key) || key == "dtype" || key == "torch_dtype") continue;
    if (!is_ignored(key) && !is_idle(stock, key)) continue;
    object[key] = nlohmann::ordered_json::parse(value);
  }
}

}  // namespace

LlamaConfig parse_llama_config(std::string_view text, std::string_view where) {
  const auto other = other_content(text);
  if (!other.empty()) fail(operation, "{}: {}", where, other);
  const auto whole = parse_json(text, operation, where);
  if (!whole.is_object()) fail(operation, "{}: must hold one JSON object", where);
  const auto given = with_model_type(whole, where);
  const auto stock = stock_model_of(given);
  if (stock != nullptr) stock->refuse(with_defaults(*stock, given), where);
  const auto idle = idle_keys_of(given, stock.get(), where);
  check_layers(ConfigReader(given, where, ""));
  const auto object = in_own_keys(stock.get(), given, where);
  const ConfigReader reader(object, where, "");

  LlamaConfig config;
  for (const auto& field : size_fields) reader.read(field.key, config.*field.member);
  for (const auto& field : number_fields) reader.read(field.key, config.*field.member, field.least);
  for (const auto& field : switch_fields) reader.read(field.key, config.*field.member);
  require_what_works(reader);
  read_heads(reader, where, config);
  read_rope(object, where, config);
  read_variant(object, where, config);
  check_rotary_width(config, where);
  for (const auto& key : idle) {
    if (!key.starts_with('_')) config.carried.emplace(key, given.at(key).dump());
  }
  return config;
}

LlamaConfig read_llama_config(const std::string& path) {
  std::filesystem::path file(path);
  std::error_code ignored;  // reading says it better
  if (std::filesystem::is_directory(file, ignored)) file /= "config.json";
  return parse_llama_config(read_file(file, operation), file.string());
}

std::string to_json(const LlamaConfig& config, DType weights) {
  const auto [stock, keys] = stock_keys_of(config);
  auto object = keys ? *keys : own_keys_of(config);
  carry(config, stock.get(), object);
  object["torch_dtype"] = name_of(weights);
  return object.dump(2) + "\n";
}

std::string to_json_in_own_keys(const LlamaConfig& config) {
  auto object = own_keys_of(config);
  carry(config, nullptr, object);
  return object.dump(2) + "\n";
}

}  // namespace lookback
