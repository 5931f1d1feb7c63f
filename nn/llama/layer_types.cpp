#include "nn/llama/layer_types.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "nn/layer/config_reader.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::string_view key = "layer_types";
const std::vector<std::string> words{"full_attention", "sliding_attention"};

}  // namespace

std::vector<LayerType> read_layer_types(const json& object, std::string_view where,
                                        std::int64_t layers) {
  const ConfigReader reader(object, where, "");
  const auto* list = reader.find(key);
  if (list == nullptr) return {};
  reader.check(list->is_array() && std::ssize(*list) == layers, key,
               "must be a list of {} words, one per layer", layers);
  std::vector<LayerType> types;
  for (const auto& word : *list) {
    const auto text = word.is_string() ? word.get<std::string>() : word.dump();
    const auto found = std::ranges::find(words, text);
    if (found == words.end()) {
      fail(ConfigReader::operation, "{}: {}[{}] is {}: must be {}; the nearest is {}", where, key,
           types.size(), ConfigReader::described(word), fmt::join(words, " or "),
           nearest_name(text, words));
    }
    types.push_back(static_cast<LayerType>(found - words.begin()));
  }
  return types;
}

ordered_json layer_types_json(const std::vector<LayerType>& types) {
  auto list = ordered_json::array();
  for (const auto type : types) list.push_back(words[static_cast<std::size_t>(type)]);
  return list;
}

json with_layer_types(const json& mechanism, const std::vector<LayerType>& types) {
  auto list = json::array();
  for (std::size_t layer = 0; layer < types.size(); ++layer) {
    auto object = mechanism.is_array() ? mechanism[layer] : mechanism;
    if (types[layer] == LayerType::full) object.erase("pattern");
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace lookback
