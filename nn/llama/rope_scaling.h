// The keys of config.json that say how positions turn: rope_scaling, and rope_parameters, which
// transformers 5 writes in place of it and of rope_theta.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "nn/layer/config.h"

namespace lookback {

// Reads both into a config of which sizes and rope_theta are read. Throws Error for unknown kinds
// and keys, for missing keys and for numbers that cannot be, and where the two disagree.
void read_rope(const nlohmann::json& object, std::string_view where, LlamaConfig& config);

// What to write for it; null for none.
nlohmann::ordered_json rope_scaling_json(const RopeScaling& scaling);

}  // namespace lookback
