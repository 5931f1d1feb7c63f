// The key rope_scaling of config.json.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "nn/layer/config.h"

namespace lookback {

// Reads its value for a model of these sizes. Throws Error for unknown kinds and keys, for missing
// keys and for numbers that cannot be.
RopeScaling read_rope_scaling(const nlohmann::json& value, std::string_view where,
                              const LlamaConfig& config);

// What to write for it; null for none.
nlohmann::ordered_json rope_scaling_json(const RopeScaling& scaling);

}  // namespace lookback
