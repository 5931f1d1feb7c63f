// How often tokens are picked, against the softmax of fixed logits over the temperature, cut by top-k
// and top-p, in plain loops.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "nn/llama/sampler.h"

namespace lookback {

// Picks the next token from logits.
using Picker = std::function<std::int64_t(std::span<const double> logits)>;

struct Drawn {
  // Chi-square over a bound that chance passes once in a billion; infinite where a token was picked
  // that is cut off. Above 1: not that distribution.
  double of_bound = 0;
  std::string evidence = {};  // the token that is off most
};

// So many picks from a row of six logits, two of them equal. The options' temperature is above 0.
Drawn draw(const SamplingOptions& options, int draws, const Picker& pick);

// "temperature 0.5, top-k 3"
std::string in_words(const SamplingOptions& options);

}  // namespace lookback
