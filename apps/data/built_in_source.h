// The built-in sources: endless, drawn from a seed, with the exact probability of every token.
//
// Every sequence begins at the start of a document, so the document so far of every target lies in
// its own row.
//   uniform   256 tokens, all equally likely at every place: p = 1/256. No documents.
//   fixed     a seed draws 64 sequences of T + 1 uniform tokens; training rows are those 64 over
//             and over. A model that has not seen them cannot predict them; one that has can repeat
//             them. Evaluated on fresh data: new draws, p = 1/256.
//   markov    markov_chain.h.
//   stories   story_grammar.h: whole documents, the last one cut.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "apps/data/token_source.h"
#include "runtime/random.h"

namespace lookback {

// What evaluation goes through: sequences that training never draws, or rows of training itself
// (row r: row 0 of step r; for `fixed` its 64 sequences).
enum class BuiltInPart { fresh, training };

class BuiltInSource : public TokenSource {
 public:
  TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t rows,
                            std::int64_t columns) const override;
  std::optional<std::int64_t> evaluation_rows(std::int64_t columns) const override;
  TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t rows,
                              std::int64_t columns) const override;
  bool has_floor() const override { return true; }
  std::vector<double> nats(const TokenBatch& batch) const override;

 protected:
  BuiltInSource(std::uint64_t seed, BuiltInPart part) : run_seed_(seed), evaluated_(part) {}

  // Fills a sequence from the start of a document.
  virtual void draw(RandomStream& random, std::span<std::int64_t> sequence) const = 0;
  // nats[i] = -ln p(sequence[i + 1] | its document so far), for a sequence from the start of a
  // document; one fewer than the sequence is long.
  virtual void score(std::span<const std::int64_t> sequence, std::span<double> nats) const = 0;
  // Evaluation of BuiltInPart::training.
  virtual std::optional<std::int64_t> training_rows() const { return std::nullopt; }
  virtual void training_sequence(std::int64_t step, std::int64_t row,
                                 std::span<std::int64_t> sequence) const;
  virtual void evaluated_training_sequence(std::int64_t row,
                                           std::span<std::int64_t> sequence) const;

  const std::uint64_t run_seed_;
  const BuiltInPart evaluated_;
};

// uniform, markov, stories, fixed.
const std::vector<std::string_view>& built_in_source_names();
// Throws Error on an unknown name, naming the nearest.
std::shared_ptr<const BuiltInSource> make_built_in_source(std::string_view name, std::uint64_t seed,
                                                          BuiltInPart part);

}  // namespace lookback
