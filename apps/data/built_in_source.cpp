#include "apps/data/built_in_source.h"

#include <algorithm>
#include <cmath>

#include "apps/data/batch_rows.h"
#include "apps/data/markov_chain.h"
#include "apps/data/story_source.h"
#include "apps/data/uniform_source.h"
#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {

TokenBatch BuiltInSource::training_batch(std::int64_t step, std::int64_t micro_step,
                                         std::int64_t rows, std::int64_t columns) const {
  auto batch = empty_batch(rows, columns);
  std::vector<std::int64_t> sequence(static_cast<std::size_t>(columns) + 1);
  for (std::int64_t row = 0; row < rows; ++row) {
    training_sequence(step, row_of_step(micro_step, rows, row), sequence);
    set_row(batch, row, sequence);
  }
  return batch;
}

void BuiltInSource::training_sequence(std::int64_t step, std::int64_t row,
                                      std::span<std::int64_t> sequence) const {
  auto random = training_row_numbers(run_seed_, step, row);
  draw(random, sequence);
}

void BuiltInSource::evaluated_training_sequence(std::int64_t row,
                                                std::span<std::int64_t> sequence) const {
  training_sequence(row, 0, sequence);
}

std::optional<std::int64_t> BuiltInSource::evaluation_rows(std::int64_t) const {
  return evaluated_ == BuiltInPart::training ? training_rows() : std::nullopt;
}

TokenBatch BuiltInSource::evaluation_batch(std::int64_t first_row, std::int64_t rows,
                                           std::int64_t columns) const {
  const Check check{"data"};
  const auto all = evaluation_rows(columns);
  check(0 <= first_row && (!all || first_row < *all), "evaluation row {} of {}", first_row,
        all.value_or(0));
  auto batch = empty_batch(all ? std::min(rows, *all - first_row) : rows, columns);
  std::vector<std::int64_t> sequence(static_cast<std::size_t>(columns) + 1);
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    if (evaluated_ == BuiltInPart::training) {
      evaluated_training_sequence(first_row + row, sequence);
    } else {
      const auto index = static_cast<std::uint64_t>(first_row + row);
      RandomStream random{run_seed_, stream_of(RandomUse::validation_data, index)};
      draw(random, sequence);
    }
    set_row(batch, row, sequence);
  }
  return batch;
}

std::vector<double> BuiltInSource::nats(const TokenBatch& batch) const {
  const auto columns = static_cast<std::size_t>(batch.columns);
  std::vector<double> result(batch.targets.size(), 0.0);
  std::vector<std::int64_t> sequence;
  for (std::size_t offset = 0; offset < result.size(); offset += columns) {
    const auto targets = std::span{batch.targets}.subspan(offset, columns);
    const auto scored = std::find(targets.begin(), targets.end(), ignored_target) - targets.begin();
    sequence.assign(1, batch.inputs[offset]);
    sequence.insert(sequence.end(), targets.begin(), targets.begin() + scored);
    score(sequence, std::span{result}.subspan(offset, static_cast<std::size_t>(scored)));
  }
  return result;
}

const std::vector<std::string_view>& built_in_source_names() {
  static const std::vector<std::string_view> names = {"stories", "uniform", "markov", "fixed"};
  return names;
}

std::shared_ptr<const BuiltInSource> make_built_in_source(std::string_view name, std::uint64_t seed,
                                                          BuiltInPart part) {
  if (name == "stories") return std::make_shared<StorySource>(seed, part);
  if (name == "uniform") return std::make_shared<UniformSource>(seed, part);
  if (name == "markov") return std::make_shared<MarkovSource>(seed, part);
  if (name == "fixed") return std::make_shared<FixedSource>(seed, part);
  fail("data", "there is no built-in source \"{}\": did you mean builtin:{}?", name,
       nearest_name(name, built_in_source_names()));
}

}  // namespace lookback
