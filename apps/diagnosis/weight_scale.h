// Weights a diagnosis tries a model with, beside those it has.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "nn/llama/llama.h"

namespace lookback {

struct WeightScale {
  std::string name;
  double factor = 1;
  std::function<bool(std::string_view parameter)> scales = {};  // which parameters; empty: none
};

// As they are; all matrices times 8; queries and keys so large that attention saturates and a
// finite number added to hidden scores is overcome.
std::vector<WeightScale> weight_scales();

// Multiplies the parameters in place.
void apply(const WeightScale& scale, const Llama& llama);

}  // namespace lookback
