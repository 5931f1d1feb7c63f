#include "apps/data/joined_documents.h"

#include <utility>

#include "apps/data/batch_rows.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// Rows so long that T + 1 tokens are left of them: no document of a built-in source is empty, so at
// most every other token closes one.
std::int64_t long_enough(std::int64_t columns) { return 2 * columns + 1; }

// The sequences of `wide` without `end`, cut to T + 1 tokens.
TokenBatch without(std::int64_t end, const TokenBatch& wide, std::int64_t columns) {
  const Check check{"data"};
  auto batch = empty_batch(wide.rows, columns);
  std::vector<std::int64_t> sequence;
  for (std::int64_t row = 0; row < wide.rows; ++row) {
    const auto begin = wide.inputs.begin() + row * wide.columns;
    sequence.assign(begin, begin + wide.columns);
    std::erase(sequence, end);
    check(std::ssize(sequence) > columns, "a row of {} tokens holds {} that close no document",
          wide.columns, sequence.size());
    sequence.resize(static_cast<std::size_t>(columns) + 1);
    set_row(batch, row, sequence);
  }
  return batch;
}

}  // namespace

JoinedDocuments::JoinedDocuments(std::shared_ptr<const TokenSource> separated)
    : source_(std::move(separated)) {
  const Check check{"data"};
  check(!source_->tokens() && tokenizer().document_end(),
        "only documents of a built-in source that a token closes can be joined");
}

TokenBatch JoinedDocuments::training_batch(std::int64_t step, std::int64_t micro_step,
                                           std::int64_t rows, std::int64_t columns) const {
  return without(*tokenizer().document_end(),
                 source_->training_batch(step, micro_step, rows, long_enough(columns)), columns);
}

std::vector<std::int64_t> JoinedDocuments::training_documents(std::int64_t step,
                                                              std::int64_t micro_step,
                                                              std::int64_t rows,
                                                              std::int64_t columns) const {
  const auto wide = long_enough(columns);
  const auto batch = source_->training_batch(step, micro_step, rows, wide);
  const auto all = source_->training_documents(step, micro_step, rows, wide);
  std::vector<std::int64_t> documents;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto size = documents.size() + static_cast<std::size_t>(columns) + 1;
    for (std::int64_t t = 0; documents.size() < size; ++t) {
      if (batch.inputs[static_cast<std::size_t>(row * wide + t)] != tokenizer().document_end())
        documents.push_back(all[static_cast<std::size_t>(row * (wide + 1) + t)]);
    }
  }
  return documents;
}

TokenBatch JoinedDocuments::evaluation_batch(std::int64_t first_row, std::int64_t rows,
                                             std::int64_t columns) const {
  return without(*tokenizer().document_end(),
                 source_->evaluation_batch(first_row, rows, long_enough(columns)), columns);
}

}  // namespace lookback
