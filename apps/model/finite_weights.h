// Weights that are no numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nn/llama/llama.h"

namespace lookback {

// A parameter that holds a NaN or an infinity.
struct NonFiniteWeight {
  std::string name;
  std::string value;     // the first of them: nan, inf or -inf
  std::int64_t row = 0;  // where it stands, of the first dimension
  std::int64_t count = 0, numbers = 0;
};

std::vector<NonFiniteWeight> non_finite_weights(const Llama& llama);
// "model.norm.weight holds nan in row 7 (1 of 32 numbers), lm_head.weight ..": of the first few.
std::string in_words(const std::vector<NonFiniteWeight>& weights);

// Throws NonFiniteError, naming the weights, where a model that was read from `directory` has some.
void check_finite_weights(const Llama& llama, const std::filesystem::path& directory);

}  // namespace lookback
