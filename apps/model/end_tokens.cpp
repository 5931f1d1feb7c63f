#include "apps/model/end_tokens.h"

#include <nlohmann/json.hpp>

#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

using nlohmann::json;

constexpr auto key = "eos_token_id";

std::vector<std::int64_t> ids_of(const json& value, const std::string& where) {
  if (value.is_null()) return {};
  std::vector<std::int64_t> ids;
  for (const auto& id : value.is_array() ? value : json::array({value})) {
    if (!id.is_number_integer())
      fail("model", "{}: {} is {}: must be a number or a list of numbers", where, key,
           value.dump());
    ids.push_back(id.get<std::int64_t>());
  }
  return ids;
}

}  // namespace

std::vector<std::int64_t> end_tokens_of(const std::filesystem::path& directory,
                                        const LlamaConfig& config) {
  const auto path = directory / "generation_config.json";
  if (std::filesystem::exists(path)) {
    const auto object = parse_json(read_file(path, "model"), "model", path.string());
    if (!object.is_object()) fail("model", "{}: must hold one JSON object", path.string());
    if (object.contains(key)) return ids_of(object.at(key), path.string());
  }
  return end_tokens_of(config, (directory / "config.json").string());
}

std::vector<std::int64_t> end_tokens_of(const LlamaConfig& config, const std::string& where) {
  const auto found = config.carried.find(key);
  if (found == config.carried.end()) return {};
  return ids_of(json::parse(found->second), where);
}

}  // namespace lookback
