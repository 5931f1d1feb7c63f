// A stream of documents whose ends are not marked: the tokens of a built-in source without
// its document_end(), for a loader that is broken on purpose.
#pragma once

#include <cstdint>
#include <memory>

#include "apps/data/token_source.h"

namespace lookback {

// Each row begins where the source's row begins and goes on for T + 1 tokens that close no
// document. Their probabilities are not known: no floor.
class JoinedDocuments final : public TokenSource {
 public:
  // Throws Error for a source whose documents no token closes, and for a finite one.
  explicit JoinedDocuments(std::shared_ptr<const TokenSource> separated);

  const Tokenizer& tokenizer() const override { return source_->tokenizer(); }
  TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t rows,
                            std::int64_t columns) const override;
  std::vector<std::int64_t> training_documents(std::int64_t step, std::int64_t micro_step,
                                               std::int64_t rows,
                                               std::int64_t columns) const override;
  std::optional<std::int64_t> evaluation_rows(std::int64_t columns) const override {
    return source_->evaluation_rows(columns);
  }
  std::shared_ptr<const TokenSource> fresh_draws(std::uint64_t seed) const override {
    return std::make_shared<JoinedDocuments>(source_->fresh_draws(seed));
  }
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t rows,
                              std::int64_t columns) const override;

 private:
  std::shared_ptr<const TokenSource> source_;
};

}  // namespace lookback
