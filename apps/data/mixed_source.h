// Several sources in one, each with a weight.
//
// A training row comes from source k with the probability weight_k / (sum of all weights), drawn
// by (seed, step, row of the step), and is the row that source k has for that step and row.
// Evaluation goes through the first source's rows, then the second's, and so on, whatever their
// weights.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "apps/data/token_source.h"

namespace lookback {

struct WeightedSource {
  std::shared_ptr<const TokenSource> source;
  double weight = 1;
};

class MixedSource final : public TokenSource {
 public:
  // Throws Error for no source, endless ones, and for sources of different tokenizers.
  MixedSource(std::vector<WeightedSource> parts, std::uint64_t seed);

  const Tokenizer& tokenizer() const override { return parts_.front().source->tokenizer(); }
  std::optional<std::int64_t> scored_bytes() const override;
  std::optional<std::int64_t> tokens() const override;
  TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t rows,
                            std::int64_t columns) const override;
  std::vector<std::int64_t> training_documents(std::int64_t step, std::int64_t micro_step,
                                               std::int64_t rows,
                                               std::int64_t columns) const override;
  std::vector<std::int64_t> evaluation_documents(std::int64_t first_row, std::int64_t rows,
                                                 std::int64_t columns) const override;
  // Documents are numbered through all sources.
  std::string document_name(std::int64_t document) const override;
  std::optional<std::int64_t> documents() const override;
  std::optional<std::int64_t> separator() const override;
  std::optional<std::int64_t> evaluation_rows(std::int64_t columns) const override;
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t rows,
                              std::int64_t columns) const override;
  std::shared_ptr<const TokenSource> drawn_from(std::uint64_t seed) const override;

 private:
  // The source of a training row.
  std::size_t part_of(std::int64_t step, std::int64_t row) const;
  // Calls visit(part, first row in it, rows) for evaluation rows [first_row, first_row + rows).
  template <class Visit>
  void each_part(std::int64_t first_row, std::int64_t rows, std::int64_t columns,
                 const Visit& visit) const;
  // How many documents the sources before this one have.
  std::int64_t first_document(std::size_t part) const;

  std::vector<WeightedSource> parts_;
  std::vector<double> up_to_;  // [parts]: the share of all weights up to and with this one's
  std::uint64_t run_seed_;
};

}  // namespace lookback
