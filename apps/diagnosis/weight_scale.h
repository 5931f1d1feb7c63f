// Weights a diagnosis tries a model with, beside those it has.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "nn/llama/llama.h"

namespace lookback {

struct WeightScale {
  std::string name;
  double factor = 1;
  std::function<std::set<std::string>(const Llama&)> scaled = {};  // names; empty: none
};

// The weights that the queries of all layers are linear in, and those of the keys.
std::set<std::string> query_weights(const Llama& llama);
std::set<std::string> key_weights(const Llama& llama);

// As they are; all matrices times 8; queries and keys so large that attention saturates and a
// finite number added to hidden scores is overcome.
std::vector<WeightScale> weight_scales();

// Queries and keys, by one factor.
std::set<std::string> queries_and_keys(const Llama& llama);

// Multiplies the parameters in place.
void apply(const WeightScale& scale, const Llama& llama);

}  // namespace lookback
