#include "apps/diagnosis/random_batch.h"

#include "runtime/random.h"

namespace lookback {

TokenBatch random_batch(std::uint64_t seed, const RandomBatch& wanted) {
  TokenBatch batch{.rows = wanted.rows, .columns = wanted.columns, .inputs = {}, .targets = {}};
  RandomStream random(seed, stream_of(RandomUse::diagnosis, wanted.stream));
  const auto draw = [&] {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(wanted.words)));
  };
  for (std::int64_t i = 0; i < wanted.rows * wanted.columns; ++i) {
    batch.inputs.push_back(draw());
    batch.targets.push_back(i % 3 == 1 ? ignored_target : draw());
  }
  return batch;
}

}  // namespace lookback
