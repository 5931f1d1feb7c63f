// Attention of few query rows over many keys, as when a model generates: nothing to multiply in
// tiles, all there is to do is to read the keys and values once, with the whole GPU.
//
// The query heads that share a key head, and the rows, are packed into one block, so that keys and
// values are read once for all of them; the keys are split over blocks, and what the splits found
// is joined in their order by their log-sum-exps (Dao et al. 2023, "Flash-Decoding").
#pragma once

#include <cstddef>

#include "kernels/cuda/attention/attention_form.h"

namespace lookback::kernels {

// How a call is cut. It depends on shapes and on the mask's numbers alone.
struct DecodePlan {
  Rules rules = Rules::plain;
  int packed_rows = 1;               // of a block: 1, 4 or 8; 4 under Rules::any
  int lanes = 4;                     // that share a key: a power of two, 4 to 32
  int packs = 1;                     // of 16 bytes that each of them has of it: 1 or 2
  std::int64_t row_blocks = 0;       // of a key head
  std::int64_t first = 0, last = 0;  // the keys that any row can see
  std::int64_t keys_per_split = 0, splits = 1;

  // Room in the workspace for what the splits found.
  std::size_t workspace_bytes(const AttentionForwardArgs& a) const;
};

// Where rows are so few that they are not worth a tile, and a block has room for the queries of so
// many pieces.
inline constexpr std::int64_t max_decoded_rows = 8;
inline constexpr int decoded_pieces = 16;
template <class T>
bool decodes(const AttentionForwardArgs& a);

// For these, in bf16 or f32, with heads of at most 256 numbers that are packs of 16 bytes, and at
// most 2^30 keys.
template <class T>
DecodePlan decode_plan(const AttentionForwardArgs& a);
template <class T>
void decode(const AttentionForwardArgs& a, const DecodePlan& plan);

}  // namespace lookback::kernels
