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

// The numbers of one training row: no two rows of a run share a block. step below 2^40, micro_step
// below 2^16, row below 2^32.
RandomStream training_row_numbers(std::uint64_t seed, std::int64_t step, std::int64_t micro_step,
                                  std::int64_t row);

}  // namespace lookback
