// A batch whose documents do not see each other: cut where documents end, each part a row of its
// own, which begins at position 0.
//
// A row of T tokens that holds the end of one document and the beginning of another becomes two
// rows. No attention mask, no replay and no cache can then show one document to another, whatever
// the model. Each target stays with the input before it: the last token of a document is still
// asked for the first of the next one, from its own document alone.
//
// Parts of the same length stand together in one batch. None is filled up to the length of others:
// what attention sums over has the same order only in rows of the same length, so that the bits of
// a document are those that it has alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "apps/data/token_source.h"

namespace lookback {

struct DocumentRows {
  TokenBatch batch;                  // [N, L]
  std::vector<std::int64_t> places;  // [N]: where in the whole batch, row * T + column, each began
};

// All inputs of the batch but those behind a row's last target, each once; the longest parts first.
// `documents`: the number of each token's document, [B, T + 1] (TokenSource::training_documents).
// `closing`: tokens that are the last of theirs. A batch without a target comes back as it is.
std::vector<DocumentRows> documents_apart(const TokenBatch& whole,
                                          std::span<const std::int64_t> documents,
                                          std::span<const std::int64_t> closing);

}  // namespace lookback
