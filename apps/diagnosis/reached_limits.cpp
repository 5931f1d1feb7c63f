#include "apps/diagnosis/reached_limits.h"

#include <map>
#include <string_view>

#include <nlohmann/json.hpp>

#include "nn/llama/config_file.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view clamp = "clip_qkv";
// Weights of 0.02 beside 40 inputs of size 1 make queries of 0.13, and those scores of 0.05.
const std::map<std::string_view, double> reached = {{clamp, 0.1}, {"attn_logit_softcapping", 0.04}};

// Calls `meet` with the number of every limit that is set.
template <class Meet>
void for_each_limit(Json& json, const Meet& meet) {
  for (auto& [key, value] : json.items()) {
    if (value.is_structured()) {
      for_each_limit(value, meet);
    } else if (value.is_number() && reached.contains(key)) {
      meet(key, value);
    }
  }
}

Json json_of(const LlamaConfig& config) {
  auto plain = config;
  plain.fault.clear();
  return Json::parse(to_json_in_own_keys(plain));
}

}  // namespace

LlamaConfig with_reached_limits(const LlamaConfig& config) {
  auto json = json_of(config);
  bool any = false;
  for_each_limit(json, [&](std::string_view key, Json& number) {
    number = reached.at(key);
    any = true;
  });
  if (!any) return config;
  auto limited = parse_llama_config(json.dump(), "config with reached limits");
  limited.fault = config.fault;
  return limited;
}

bool has_clamp(const LlamaConfig& config) {
  auto json = json_of(config);
  bool any = false;
  for_each_limit(json, [&](std::string_view key, Json&) { any = any || key == clamp; });
  return any;
}

}  // namespace lookback
