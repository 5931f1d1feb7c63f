#include "apps/data/batch_rows.h"

#include <algorithm>
#include <new>

#include "runtime/allocator.h"
#include "runtime/check.h"

namespace lookback {

TokenBatch empty_batch(std::int64_t rows, std::int64_t columns) {
  const Check check{"data"};
  check(rows >= 1 && columns >= 1, "a batch of {} rows and {} columns: both must be at least 1",
        rows, columns);
  const auto numbers = static_cast<std::size_t>(rows * columns);
  try {
    return {.rows = rows,
            .columns = columns,
            .inputs = std::vector<std::int64_t>(numbers, 0),
            .targets = std::vector<std::int64_t>(numbers, ignored_target)};
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(fmt::format(
        "[data] out of memory: a batch of {} rows of {} tokens asks for {} bytes, {} bytes are "
        "live in tensors",
        rows, columns, 2 * numbers * sizeof(std::int64_t), memory_stats().live_bytes));
  }
}

void set_row(TokenBatch& batch, std::int64_t row, std::span<const std::int64_t> sequence) {
  const auto offset = row * batch.columns;
  std::copy(sequence.begin(), sequence.end() - 1, batch.inputs.begin() + offset);
  std::copy(sequence.begin() + 1, sequence.end(), batch.targets.begin() + offset);
}

RandomStream training_row_numbers(std::uint64_t seed, std::int64_t step, std::int64_t row) {
  const Check check{"data"};
  check(0 <= step && step < max_step_count && 0 <= row && row < max_rows,
        "step {}, row {} of it: must be below {} and {}", step, row, max_step_count, max_rows);
  return {seed, stream_of(RandomUse::training_data, static_cast<std::uint64_t>(step)),
          static_cast<std::uint64_t>(row) << 32};
}

}  // namespace lookback
