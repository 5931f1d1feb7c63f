// Text from a Llama, one token after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "nn/llama/llama.h"
#include "nn/llama/sampler.h"

namespace lookback {

// Same tokens either way: `keys_and_values` runs only the new token through the model, `none` the
// whole sequence each time.
enum class Caching { keys_and_values, none };

struct GenerationOptions {
  std::int64_t max_new_tokens = 128;
  Caching caching = Caching::keys_and_values;
  CachePolicy cache_policy = {};  // of keys_and_values
  SamplingOptions sampling = {};
  std::vector<std::int64_t> end_tokens = {};  // after any of them nothing more is picked
  // Called with each token as soon as it is picked; may be empty.
  std::function<void(std::int64_t token)> on_token = {};
};

struct Generation {
  std::vector<std::int64_t> tokens;  // the new ones, with the end token where there is one
  bool ended = false;                // by an end token
  std::size_t cache_bytes_per_token = 0;
  std::size_t cache_bytes_per_sequence = 0;  // of rings, states and budgets
};

// Throws Error for an empty prompt, a token outside the vocabulary, and where the prompt and the
// new tokens would not fit max_position_embeddings; for a policy that the model cannot follow.
Generation generate(const Llama& llama, const std::vector<std::int64_t>& prompt,
                    const GenerationOptions& options);

}  // namespace lookback
