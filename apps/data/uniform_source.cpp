#include "apps/data/uniform_source.h"

#include <algorithm>
#include <cmath>

#include "apps/data/batch_rows.h"

namespace lookback {

void UniformSource::draw(RandomStream& random, std::span<std::int64_t> sequence) const {
  for (auto& token : sequence)
    token = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(vocabulary_)));
}

void UniformSource::score(std::span<const std::int64_t>, std::span<double> nats) const {
  std::fill(nats.begin(), nats.end(), std::log(static_cast<double>(vocabulary_)));
}

void FixedSource::training_sequence(std::int64_t step, std::int64_t row,
                                    std::span<std::int64_t> sequence) const {
  auto random = training_row_numbers(run_seed_, step, row);
  evaluated_training_sequence(static_cast<std::int64_t>(random.below(sequences)), sequence);
}

void FixedSource::evaluated_training_sequence(std::int64_t row,
                                              std::span<std::int64_t> sequence) const {
  const auto index = static_cast<std::uint64_t>(row);
  RandomStream random{run_seed_, stream_of(RandomUse::fixed_data, index)};
  draw(random, sequence);
}

}  // namespace lookback
