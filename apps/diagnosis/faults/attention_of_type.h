// Whether every layer of a model has the attention that a fault is a mistake of.
#pragma once

#include <algorithm>
#include <string_view>

#include "nn/layer/attention_options.h"

namespace lookback {

inline bool has_attention(const LlamaConfig& config, std::string_view type) {
  return !config.attention.empty() && std::ranges::all_of(config.attention, [&](const auto& each) {
    return each.options->type() == type;
  });
}

}  // namespace lookback
