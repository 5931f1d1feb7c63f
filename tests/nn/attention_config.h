// Small models by the object of attention_mechanism.
#pragma once

#include <nlohmann/json.hpp>

#include "nn/llama/config_file.h"
#include "tests/nn/variants.h"

namespace lookback::testing {

// Four heads of width 4, and as many key/value heads where nothing else is said.
inline LlamaConfig with_attention(const nlohmann::json& attention,
                                  const nlohmann::json& more = nlohmann::json::object()) {
  auto config = small_config();
  config.num_key_value_heads = config.num_attention_heads;
  config.head_dim = 4;
  auto object = nlohmann::json::parse(to_json(config));
  object["attention_mechanism"] = attention;
  object.update(more);
  return parse_llama_config(object.dump(), "c.json");
}

// What the config is refused with; "" where it is not.
inline std::string error_of(const nlohmann::json& attention,
                            const nlohmann::json& more = nlohmann::json::object()) {
  try {
    static_cast<void>(with_attention(attention, more));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace lookback::testing
