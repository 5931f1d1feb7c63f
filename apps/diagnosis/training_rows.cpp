#include "apps/diagnosis/training_rows.h"

#include <algorithm>

#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

// Rows of an endless source that are shorter may be equal by chance.
constexpr std::int64_t telling_columns = 64;

}  // namespace

TrainingRows::TrainingRows(const Subject& subject)
    : source_(subject.data.training.get()),
      columns_(subject.run ? subject.options.block_size : subject.block_size) {
  const auto tokens = source_->tokens();
  if (!tokens) {
    columns_ = std::max(columns_, telling_columns);
    return;
  }
  columns_ = std::min(columns_, *tokens - 1);
  if (source_->training_starts(0, 0, 1, columns_)) places_ = *tokens - columns_;
}

double TrainingRows::equal_by_chance() const {
  return places_ ? 1.0 / static_cast<double>(*places_) : equal_rows_by_chance(*source_);
}

std::vector<std::vector<std::int64_t>> TrainingRows::of_step(std::int64_t step, StepCut cut) const {
  std::vector<std::vector<std::int64_t>> all;
  for (std::int64_t micro_step = 0; micro_step < cut.micro_steps; ++micro_step) {
    if (places_) {
      const auto starts = source_->training_starts(step, micro_step, cut.rows, columns_);
      for (const auto start : *starts) all.push_back({start});
      continue;
    }
    const auto batch = source_->training_batch(step, micro_step, cut.rows, columns_);
    for (std::int64_t row = 0; row < batch.rows; ++row) all.push_back(row_of(batch, row));
  }
  return all;
}

double equal_rows_by_chance(const TokenSource& source) {
  return source.vocabulary_size() == 1 ? 1.0 : thresholds::rows_of_a_set;
}

std::vector<std::int64_t> row_of(const TokenBatch& batch, std::int64_t row) {
  const auto begin = batch.inputs.begin() + row * batch.columns;
  std::vector<std::int64_t> tokens(begin, begin + batch.columns);
  tokens.push_back(batch.targets[static_cast<std::size_t>((row + 1) * batch.columns - 1)]);
  return tokens;
}

}  // namespace lookback
