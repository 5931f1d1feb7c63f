// Random tokens with random targets, of which every third is ignored.
#pragma once

#include "apps/diagnosis/subject.h"

namespace lookback {

// [rows, columns], of the first `words` tokens, from the seed and `stream`.
struct RandomBatch {
  std::int64_t rows = 0, columns = 0, words = 0;
  std::uint64_t stream = 0;
};
TokenBatch random_batch(std::uint64_t seed, const RandomBatch& wanted);

}  // namespace lookback
