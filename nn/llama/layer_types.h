// The key layer_types of config.json: one word per layer.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

namespace lookback {

// "full_attention": the layer's pattern is switched off; "sliding_attention": it stays on.
enum class LayerType { full, sliding };

// From an object of config.json's keys; empty where there is none. Throws Error unless it has one
// of these words per layer.
std::vector<LayerType> read_layer_types(const nlohmann::json& object, std::string_view where,
                                        std::int64_t layers);

// The words of these types, for writing them.
nlohmann::ordered_json layer_types_json(const std::vector<LayerType>& types);

// The value of attention_mechanism, an object or a list, with what the types say: a list of
// objects, of which those of full layers have no pattern.
nlohmann::json with_layer_types(const nlohmann::json& mechanism,
                                const std::vector<LayerType>& types);

}  // namespace lookback
