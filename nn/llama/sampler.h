// Picking the next token from a row of logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/random.h"

namespace lookback {

struct SamplingOptions {
  double temperature = 1;  // logits are divided by it; 0: always the most likely token
  std::int64_t top_k = 0;  // keep the k most likely tokens; 0: all
  double top_p = 1;        // keep the most likely tokens until they hold this probability
  std::int64_t words = 0;  // pick among the first so many tokens alone; 0: all
  std::uint64_t seed = 0;
};

// The i-th pick depends on the options' seed, i and the logits alone. Throws Error for a negative
// or non-finite temperature, top_k or words < 0, top_p
// outside (0, 1]. Ties go to the smaller token.
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options);
  std::int64_t pick(std::span<const double> logits);

 private:
  SamplingOptions options_;
  RandomStream random_;
};

}  // namespace lookback
