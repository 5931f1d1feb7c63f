// Windows into a range of tokens that lie in files.
//
// The range holds n tokens. A training row is the T + 1 tokens from a position drawn evenly from
// the n - T there are, by (seed, step, row of the step); or, shuffled (window_order.h), from kT,
// each k below floor((n - 1) / T) once per epoch. Evaluation row k feeds tokens kT .. and
// scores tokens kT + 1 .. min((k + 1) T, n - 1): every token but the first once; the last row may
// be shorter.
#pragma once

#include <cstdint>
#include <memory>

#include "apps/data/token_array.h"
#include "apps/data/token_source.h"
#include "apps/data/window_order.h"

namespace lookback {

class WindowSource final : public TokenSource {
 public:
  // Tokens [begin, end) of the array.
  WindowSource(std::shared_ptr<const TokenArray> tokens, std::int64_t begin, std::int64_t end,
               std::shared_ptr<const Tokenizer> tokenizer, std::uint64_t seed,
               WindowOrder order = {});

  const Tokenizer& tokenizer() const override { return *words_; }
  // All but the first token's: it is never scored.
  std::optional<std::int64_t> scored_bytes() const override;
  std::optional<std::int64_t> tokens() const override { return count_; }
  TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t rows,
                            std::int64_t columns) const override;
  std::optional<std::vector<std::int64_t>> training_starts(std::int64_t step,
                                                           std::int64_t micro_step,
                                                           std::int64_t rows,
                                                           std::int64_t columns) const override;
  std::optional<std::vector<std::int64_t>> tokens_at(std::int64_t first,
                                                     std::int64_t count) const override;
  std::vector<FilePart> file_parts() const override;
  // A file is a document, or a record in one.
  std::vector<std::int64_t> training_documents(std::int64_t step, std::int64_t micro_step,
                                               std::int64_t rows,
                                               std::int64_t columns) const override;
  std::vector<std::int64_t> evaluation_documents(std::int64_t first_row, std::int64_t rows,
                                                 std::int64_t columns) const override;
  std::string document_name(std::int64_t document) const override {
    return array_->document_name(document);
  }
  std::optional<std::int64_t> documents() const override;
  // What more than half of the documents end with; in a text only white space and control
  // characters count, as letters and full stops stand within documents too. A .bin in the words of
  // a tokenizer with a document_end(): that.
  std::optional<std::int64_t> separator() const override;
  std::optional<std::int64_t> evaluation_rows(std::int64_t columns) const override;
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t rows,
                              std::int64_t columns) const override;
  std::shared_ptr<const TokenSource> drawn_from(std::uint64_t seed) const override {
    return std::make_shared<WindowSource>(array_, first_, first_ + count_, words_, seed, order_);
  }

 private:
  // Where in the files a training row, of those of its step, begins.
  std::int64_t training_start(std::int64_t step, std::int64_t row, std::int64_t columns) const;
  std::int64_t shuffled_start(std::int64_t step, std::int64_t row, std::int64_t columns) const;

  std::shared_ptr<const TokenArray> array_;
  std::int64_t first_, count_;
  std::shared_ptr<const Tokenizer> words_;
  std::uint64_t run_seed_;
  WindowOrder order_;
};

}  // namespace lookback
