#include "apps/data/window_source.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "apps/data/batch_rows.h"
#include "runtime/check.h"

namespace lookback {

WindowSource::WindowSource(std::shared_ptr<const TokenArray> tokens, std::int64_t begin,
                           std::int64_t end, std::shared_ptr<const Tokenizer> tokenizer,
                           std::uint64_t seed, WindowOrder order)
    : array_(std::move(tokens)),
      first_(begin),
      count_(end - begin),
      words_(std::move(tokenizer)),
      run_seed_(seed),
      order_(order) {
  const Check check{"data"};
  check(0 <= begin && begin <= end && end <= array_->size(), "tokens {} to {} of {}", begin, end,
        array_->size());
}

TokenBatch WindowSource::training_batch(std::int64_t step, std::int64_t micro_step,
                                        std::int64_t rows, std::int64_t columns) const {
  auto batch = empty_batch(rows, columns);
  std::vector<std::int64_t> sequence(static_cast<std::size_t>(columns) + 1);
  for (std::int64_t row = 0; row < rows; ++row) {
    array_->read(training_start(step, row_of_step(micro_step, rows, row), columns), sequence);
    set_row(batch, row, sequence);
  }
  return batch;
}

std::int64_t WindowSource::training_start(std::int64_t step, std::int64_t row,
                                          std::int64_t columns) const {
  const Check check{"data"};
  check(count_ > columns, "{} tokens are fewer than one block: {} inputs and a target", count_,
        columns);
  if (order_.order == DataOrder::shuffled) return shuffled_start(step, row, columns);
  auto random = training_row_numbers(run_seed_, step, row);
  return first_ +
         static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count_ - columns)));
}

std::int64_t WindowSource::shuffled_start(std::int64_t step, std::int64_t row,
                                          std::int64_t columns) const {
  const auto windows = (count_ - 1) / columns;
  const auto place = step * order_.rows_of_step + row;
  const auto epoch = static_cast<std::uint64_t>(place / windows);
  const auto window =
      permuted(static_cast<std::uint64_t>(place % windows), static_cast<std::uint64_t>(windows),
               run_seed_, stream_of(RandomUse::data_order, epoch));
  return first_ + static_cast<std::int64_t>(window) * columns;
}

std::optional<std::vector<std::int64_t>> WindowSource::training_starts(std::int64_t step,
                                                                       std::int64_t micro_step,
                                                                       std::int64_t rows,
                                                                       std::int64_t columns) const {
  std::vector<std::int64_t> starts;
  for (std::int64_t row = 0; row < rows; ++row)
    starts.push_back(training_start(step, row_of_step(micro_step, rows, row), columns) - first_);
  return starts;
}

std::optional<std::vector<std::int64_t>> WindowSource::tokens_at(std::int64_t first,
                                                                 std::int64_t count) const {
  const Check check{"data"};
  check(0 <= first && 0 <= count && first + count <= count_, "tokens {} to {} of {}", first,
        first + count, count_);
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(count));
  array_->read(first_ + first, tokens);
  return tokens;
}

std::vector<FilePart> WindowSource::file_parts() const {
  return array_->file_parts(first_, first_ + count_);
}

std::vector<std::int64_t> WindowSource::training_documents(std::int64_t step,
                                                           std::int64_t micro_step,
                                                           std::int64_t rows,
                                                           std::int64_t columns) const {
  std::vector<std::int64_t> documents;
  documents.reserve(static_cast<std::size_t>(rows * (columns + 1)));
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto start = training_start(step, row_of_step(micro_step, rows, row), columns);
    for (std::int64_t t = 0; t <= columns; ++t) documents.push_back(array_->document_of(start + t));
  }
  return documents;
}

std::vector<std::int64_t> WindowSource::evaluation_documents(std::int64_t first_row,
                                                             std::int64_t rows,
                                                             std::int64_t columns) const {
  const auto count = std::min(rows, *evaluation_rows(columns) - first_row);
  std::vector<std::int64_t> documents;
  for (std::int64_t row = 0; row < count; ++row) {
    for (std::int64_t t = 0; t <= columns; ++t) {
      const auto token = std::min((first_row + row) * columns + t, count_ - 1);
      documents.push_back(array_->document_of(first_ + token));
    }
  }
  return documents;
}

std::optional<std::int64_t> WindowSource::documents() const {
  if (count_ == 0) return 0;
  return array_->document_of(first_ + count_ - 1) - array_->document_of(first_) + 1;
}

std::optional<std::int64_t> WindowSource::scored_bytes() const {
  const auto all = array_->text_bytes(first_, first_ + count_);
  if (!all || count_ == 0) return all;
  std::int64_t token = 0;
  array_->read(first_, {&token, 1});
  if (array_->stands_in_front(token)) return all;
  const auto scored = *all - std::ssize(words_->decode({&token, 1}));
  // A text of bytes that are no UTF-8 may be shorter than what stands for its first token.
  return scored > 0 ? std::optional(scored) : std::nullopt;
}

std::optional<std::int64_t> WindowSource::separator() const {
  const auto closing = array_->closing_token();
  const auto end = words_->document_end();
  if (array_->format() == TokenFormat::bin) return end ? end : closing;
  if (!closing || closing == end) return closing;
  const auto text = words_->decode({&*closing, 1});
  const bool within_a_text = std::ranges::any_of(text, [](unsigned char c) { return c > ' '; });
  return within_a_text ? std::nullopt : closing;
}

std::optional<std::int64_t> WindowSource::evaluation_rows(std::int64_t columns) const {
  const Check check{"data"};
  check(columns >= 1, "windows of {} tokens: at least 1 is needed", columns);
  return (std::max<std::int64_t>(count_, 1) - 1 + columns - 1) / columns;
}

TokenBatch WindowSource::evaluation_batch(std::int64_t first_row, std::int64_t rows,
                                          std::int64_t columns) const {
  const Check check{"data"};
  const auto all = *evaluation_rows(columns);
  check(0 <= first_row && first_row < all, "evaluation row {} of {}", first_row, all);
  auto batch = empty_batch(std::min(rows, all - first_row), columns);
  std::vector<std::int64_t> sequence;
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const auto begin = (first_row + row) * columns;
    sequence.resize(static_cast<std::size_t>(std::min(columns + 1, count_ - begin)));
    array_->read(first_ + begin, sequence);
    set_row(batch, row, sequence);
  }
  return batch;
}

}  // namespace lookback
