// Sequences cut into the rows of a batch, and the random numbers each row is drawn from.
#pragma once

#include <cstdint>
#include <span>

#include "apps/data/token_source.h"
#include "runtime/random.h"

namespace lookback {

// Throws Error unless rows and columns are at least 1.
TokenBatch empty_batch(std::int64_t rows, std::int64_t columns);

// Row `row`: inputs are all tokens of the sequence but the last, targets all but the first. A
// sequence of fewer than T + 1 tokens leaves the rest of the row ignored.
void set_row(TokenBatch& batch, std::int64_t row, std::span<const std::int64_t> sequence);

// How many steps a run may have, micro-steps a step, rows a step.
inline constexpr std::int64_t max_step_count = std::int64_t{1} << 40;
inline constexpr std::int64_t max_micro_steps = std::int64_t{1} << 16;
inline constexpr std::int64_t max_rows = std::int64_t{1} << 32;

// The number, from 0, that row `row` of a micro-step has among all rows of its step.
constexpr std::int64_t row_of_step(std::int64_t micro_step, std::int64_t rows, std::int64_t row) {
  return micro_step * rows + row;
}

// The numbers of one training row: no two rows of a run share a block. Step and row of the step,
// each counted from 0, below the limits above.
RandomStream training_row_numbers(std::uint64_t seed, std::int64_t step, std::int64_t row);

}  // namespace lookback
