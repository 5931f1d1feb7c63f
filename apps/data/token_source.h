// Where training and evaluation get their tokens.
//
// B rows, T columns. A training sequence is T + 1 tokens: inputs are the first T, targets the last
// T. What a row holds depends on the seed, the step and the row's number in the step alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/tokenizer.h"

namespace lookback {

// A target that is not scored.
inline constexpr std::int64_t ignored_target = -100;

struct TokenBatch {
  std::int64_t rows = 0, columns = 0;  // B, T
  std::vector<std::int64_t> inputs;    // [B, T]; 0 where a row has ended
  std::vector<std::int64_t> targets;   // [B, T]; ignored_target where a row has ended
  // Of an optimizer step's, which it is, or is a part of: those of one stand together, in order.
  std::int64_t micro_batch = 0;

  std::int64_t scored() const;  // targets that count
};

// Tokens [begin, end) of the `all` that a file holds.
struct FilePart {
  std::string path;
  std::int64_t begin = 0, end = 0, all = 0;
};

class TokenSource {
 public:
  virtual ~TokenSource() = default;

  virtual const Tokenizer& tokenizer() const = 0;
  // How many ids the model must know: the tokenizer's, or more where a config says so.
  std::int64_t vocabulary_size() const { return tokenizer().vocabulary_size(); }
  // Of how many bytes of text evaluation scores the tokens, from which follow bits per byte; none:
  // of no text, or not known.
  virtual std::optional<std::int64_t> scored_bytes() const { return std::nullopt; }
  // Tokens in it; none: endless, drawn as needed.
  virtual std::optional<std::int64_t> tokens() const { return std::nullopt; }

  // Micro-step `micro_step` of optimizer step `step`, both from 0. However a step's rows are cut
  // into micro-steps of equal size, they are the same.
  virtual TokenBatch training_batch(std::int64_t step, std::int64_t micro_step, std::int64_t rows,
                                    std::int64_t columns) const = 0;

  // Of a source whose tokens have places: where, in [0, tokens()), each row of that training batch
  // begins, and the tokens that stand there, [first, first + count).
  virtual std::optional<std::vector<std::int64_t>> training_starts(std::int64_t step,
                                                                   std::int64_t micro_step,
                                                                   std::int64_t rows,
                                                                   std::int64_t columns) const;
  virtual std::optional<std::vector<std::int64_t>> tokens_at(std::int64_t first,
                                                             std::int64_t count) const;
  // Of a source whose tokens lie in files: which of them, file by file; empty: they lie in none.
  virtual std::vector<FilePart> file_parts() const { return {}; }

  // Which document each token of that training batch belongs to, by number: [B, T + 1], a row's
  // inputs and its last target. Here: one that goes on until the tokenizer's document_end().
  virtual std::vector<std::int64_t> training_documents(std::int64_t step, std::int64_t micro_step,
                                                       std::int64_t rows,
                                                       std::int64_t columns) const;
  // The same of evaluation rows. What stands behind a row's last token is of its last document.
  virtual std::vector<std::int64_t> evaluation_documents(std::int64_t first_row, std::int64_t rows,
                                                         std::int64_t columns) const;
  virtual std::string document_name(std::int64_t document) const;
  // How many documents are told apart without a token that closes them, by files and records; none:
  // no more than the tokens say.
  virtual std::optional<std::int64_t> documents() const { return std::nullopt; }
  // The token that closes documents, where one does.
  virtual std::optional<std::int64_t> separator() const { return tokenizer().document_end(); }

  // Evaluation goes through rows 0, 1, 2, ... in order, the same rows every time. How many there
  // are for T columns; none: as many as one likes.
  virtual std::optional<std::int64_t> evaluation_rows(std::int64_t columns) const = 0;
  // Rows [first_row, first_row + rows), fewer where they end. Throws when there is no such row.
  virtual TokenBatch evaluation_batch(std::int64_t first_row, std::int64_t rows,
                                      std::int64_t columns) const = 0;

  // Draws of the same source from another seed, of which neither training nor evaluation can hold
  // any; null where no more can be drawn: files.
  virtual std::shared_ptr<const TokenSource> fresh_draws(std::uint64_t seed) const;

  // The same data with the rows of training drawn from another seed; null where that cannot be had.
  virtual std::shared_ptr<const TokenSource> drawn_from(std::uint64_t seed) const;

  // The exact -ln p(target | its document so far) of every scored target, 0 where ignored: [B, T].
  // Their mean over the targets scored is the floor of a batch of this source. Empty: this source
  // knows no probabilities. Either every batch has a floor or none.
  virtual bool has_floor() const { return false; }
  virtual std::vector<double> nats(const TokenBatch& batch) const;
};

// What a run reads. Both may be the same object.
struct TokenData {
  std::shared_ptr<const TokenSource> training, validation;
};

}  // namespace lookback
