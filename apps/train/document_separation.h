// --no-cross-document-attention: the documents of batches kept apart (apps/data/documents_apart.h),
// with what a model and its data know of where documents end.
//
// A document ends with its file or record, and behind a token that closes one: the tokenizer's, or,
// of a .bin without a tokenizer, the config's eos_token_id.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/data/documents_apart.h"
#include "nn/llama/llama.h"

namespace lookback {

class DocumentSeparation {
 public:
  explicit DocumentSeparation(const Llama& llama);

  // Of a training batch of the source, and of an evaluation batch whose first row is `first_row`.
  std::vector<DocumentRows> training(const TokenSource& source, std::int64_t step,
                                     std::int64_t micro_step, std::int64_t rows,
                                     std::int64_t columns) const;
  std::vector<DocumentRows> evaluation(const TokenSource& source, std::int64_t first_row,
                                       const TokenBatch& batch) const;

  // Throws UsageError where nothing says where the source's documents end.
  void check(const TokenSource& source) const;
  // What must be said of a source in whose first rows of training no document ends.
  std::optional<std::string> no_end_in(const TokenSource& source) const;

 private:
  std::vector<std::int64_t> closing_tokens(const TokenSource& source) const;

  std::vector<std::int64_t> config_end_tokens_;
};

}  // namespace lookback
