// What several faults need of a model, in the words of an error; empty: it has it.
#pragma once

#include <string_view>

#include "nn/layer/residual_scheme.h"

namespace lookback {

inline std::string_view without_two_layers(const LlamaConfig& config) {
  return config.num_hidden_layers < 2 ? "two layers or more" : "";
}

inline std::string_view without_recomputation(const LlamaConfig& config) {
  const bool recomputed = reruns_layers(config) && config.num_hidden_layers > 1;
  return recomputed ? "" : "a cross_layer_residual with source recomputed, and two layers or more";
}

}  // namespace lookback
