// Rows of training, read back: as places, where the source has them, or as what they hold.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "apps/diagnosis/subject.h"

namespace lookback {

// How a step is cut into micro-batches.
struct StepCut {
  std::int64_t micro_steps = 1, rows = 1;
};

class TrainingRows {
 public:
  // Of the length that the subject trains with, where its source has as many tokens.
  explicit TrainingRows(const Subject& subject);

  const TokenSource& source() const { return *source_; }
  std::int64_t columns() const { return columns_; }  // T
  // At how many places a row can begin; none: of an endless source.
  std::optional<std::int64_t> places() const { return places_; }
  // How likely a row is the same as another one by chance.
  double equal_by_chance() const;

  // What tells the rows of a step apart, in their order: [micro_steps * rows]. Where they begin, or
  // their T + 1 tokens.
  std::vector<std::vector<std::int64_t>> of_step(std::int64_t step, StepCut cut) const;

 private:
  const TokenSource* source_;
  std::int64_t columns_;
  std::optional<std::int64_t> places_;
};

// How likely a row of 64 tokens or more of an endless source is the same as another one: a source
// of one word has one row, and any may be a set of 64 rows, which is found elsewhere
// (checks/memorisation.cpp).
double equal_rows_by_chance(const TokenSource& source);

// Row `row` of a batch: its inputs and its last target.
std::vector<std::int64_t> row_of(const TokenBatch& batch, std::int64_t row);

}  // namespace lookback
