#include "nn/llama/model_class.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <vector>

#include "nn/layer/config_reader.h"
#include "nn/llama/foreign_models.h"
#include "nn/llama/stock_model.h"

namespace lookback {
namespace {

using nlohmann::json;

constexpr auto operation = ConfigReader::operation;
constexpr std::string_view with_a_head = "ForCausalLM", without_a_head = "Model";

bool is_stock(std::string_view type) {
  const auto names = StockModels::names();
  return std::ranges::find(names, type) != names.end();
}

constexpr auto llama = "llama";

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// transformers reads code_llama with LlamaForCausalLM, too.
bool is_llama(const std::string& type) { return lower_case(type) == llama || type == "code_llama"; }

// This program's, and those that checkpoints of the variants have, of which the classes have many
// names.
bool is_variant_type(std::string_view type) {
  return type == "lookback" || type.starts_with("method");
}

// A class of transformers in two parts: "LlamaForCausalLM" is a Llama, ForCausalLM.
struct ClassName {
  std::string model, head;
};
ClassName split(const std::string& name) {
  const auto head = name.find("For");
  if (head != name.npos) return {name.substr(0, head), name.substr(head)};
  if (!name.ends_with(without_a_head)) return {name, ""};
  const auto end = name.size() - without_a_head.size();
  return {name.substr(0, end), std::string(without_a_head)};
}

// decapoda's LLaMAForCausalLM is one.
bool is_llama_class(const std::string& name) {
  return lower_case(name) == llama || name == "Lookback";
}

// The stock model of a class; empty: none.
std::string stock_type_of_class(const std::string& name) {
  for (const auto& type : StockModels::names()) {
    if (split(std::string(StockModels::make(type)->architecture())).model == name) return type;
  }
  return "";
}

std::vector<std::string> class_names(const json& object) {
  std::vector<std::string> names;
  const auto found = object.find("architectures");
  if (found == object.end()) return names;
  const auto list = found->is_string() ? json::array({*found}) : *found;
  if (!list.is_array()) return names;
  for (const auto& name : list) {
    if (name.is_string() && name != "") names.push_back(name.get<std::string>());
  }
  return names;
}

[[noreturn]] void refuse_foreign(std::string_view where, std::string_view key,
                                 const std::string& name, const ForeignModel& model) {
  fail(operation, "{}: {} is {}: {}, which no Llama has", where, key, name, model.reason);
}

void refuse_unknown_type(const json& object, const std::string& type, std::string_view where) {
  if (const auto* model = foreign_model_of_type(type))
    refuse_foreign(where, "model_type", type, *model);
  const auto text = object.find("text_config");
  const bool has_parts = text != object.end() && text->is_object() && !text->empty();
  fail(operation, "{}: model_type is {}: only llama can be read, and {}{}", where, type,
       fmt::join(StockModels::names(), ", "),
       has_parts ? "; it has parts, of which text_config is that of text" : "");
}

// The type that a class means: "llama", or a stock model's.
std::string type_of_class(const std::string& name, std::string_view where) {
  const auto [model, head] = split(name);
  auto type = is_llama_class(model) ? llama : stock_type_of_class(model);
  const bool computes_logits = head == with_a_head || head == without_a_head;
  if (!type.empty() && computes_logits) return type;
  if (!type.empty()) {
    fail(operation,
         "{}: architectures is {}: has another head than {}ForCausalLM, which can be read", where,
         name, model);
  }
  if (const auto* foreign = foreign_model_of_class(model))
    refuse_foreign(where, "architectures", name, *foreign);
  fail(operation,
       "{}: architectures is {}: that class is not known; write LlamaForCausalLM where it computes "
       "the same",
       where, name);
}

}  // namespace

std::string model_type_of(const json& object, std::string_view where) {
  const auto given = object.value("model_type", json());
  auto type = given.is_string() ? given.get<std::string>() : std::string();
  if (is_variant_type(type)) return type;
  if (is_llama(type)) type = llama;
  if (!type.empty() && type != llama && !is_stock(type)) refuse_unknown_type(object, type, where);
  for (const auto& name : class_names(object)) {
    const auto of_class = type_of_class(name, where);
    if (type.empty()) type = of_class;
    // The class LlamaForCausalLM beside another type: transformers reads it by the type.
    if (of_class == llama || of_class == type) continue;
    fail(operation, "{}: model_type is {} and architectures is {}: they must agree", where, type,
         name);
  }
  return type;
}

}  // namespace lookback
