// A batch whose documents do not see each other: cut where documents end, each part a row of its
// own, which begins at position 0.
//
// A row of T tokens that holds the end of one document and the beginning of another becomes two
// rows. No attention mask, no replay and no cache can then show one document to another, whatever
// the model. Each target stays with the input before it: the last token of a document is still
// asked for the first of the next one, from its own document alone.
//
// Rows of about the same length stand together in one batch, and shorter ones are filled up behind
// their end, where no target counts: no position sees what comes later.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "apps/data/token_source.h"

namespace lookback {

// Where in the whole batch a row was: `length` tokens from `place` = row * T + column on.
struct DocumentPart {
  std::int64_t place = 0, length = 0;
};

struct DocumentRows {
  TokenBatch batch;                 // [N, L], L the longest part's length
  std::vector<DocumentPart> parts;  // [N]
};

// Whether rows may be filled up: a router's losses count all positions of a row.
enum class RowFilling { allowed, none };

// All inputs of the batch but those behind a row's last target, each once. `documents`: the number
// of each token's document, [B, T + 1] (TokenSource::training_documents). `closing`: tokens that
// are the last of theirs. A batch without a target comes back as it is.
std::vector<DocumentRows> documents_apart(const TokenBatch& whole,
                                          std::span<const std::int64_t> documents,
                                          std::span<const std::int64_t> closing,
                                          RowFilling filling);

}  // namespace lookback
