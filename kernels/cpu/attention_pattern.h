// Attention under a mask that is not plain (kernels/causal_mask.h). Rows go through products in
// blocks, against the keys that some row of the block sees, packed one behind the other: what no
// row sees costs nothing. Where all rows of a block see all of its keys, nothing is hidden; else
// what a row does not see is, by selection.
//
// Of one position each, blocks are the gather form: a row against its own list of keys, no key
// twice. Of several they are the masked form. Both give the same but for rounding.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/attention.h"
#include "kernels/attention_shape.h"
#include "kernels/cpu/attention_tiles.h"

namespace lookback::kernels {

// Rows of query heads [head, head + heads) that are one row of products each: those of a position
// lie `rows.size()` apart.
struct PatternBlock {
  std::int64_t sequence = 0, head = 0, heads = 1;
  std::vector<std::int64_t> rows;

  std::int64_t positions() const { return static_cast<std::int64_t>(rows.size()); }
  std::int64_t count() const { return positions() * heads; }
  std::int64_t row_of(std::int64_t i) const {
    return rows[static_cast<std::size_t>(i % positions())];
  }
  std::int64_t head_of(std::int64_t i) const { return head + i / positions(); }
};

// All rows of the heads of one sequence and key/value head, each once, `positions` to a block at
// most. Rows of a dilated window that share their keys share a block; a global row, which sees all
// before it, has one of its own.
std::vector<PatternBlock> pattern_blocks(const AttentionShape& shape, std::int64_t sequence,
                                         std::int64_t key_head, std::int64_t positions);

// How many positions a block takes: the faster form by measurement.
std::int64_t pattern_positions(const VisibleKeys& rule);

// The keys that the rows of a block see, in their order, of those in `within`.
struct PackedKeys {
  std::vector<std::int64_t> keys;    // of each column
  std::vector<std::uint8_t> shown;   // [block.count(), columns()]: 1 where a row sees a column
  std::vector<KeyRange> row_ranges;  // [block.count()]: from the first to the last that it sees

  std::int64_t columns() const { return static_cast<std::int64_t>(keys.size()); }
  // Of columns [first, first + count): what each row sees, counted from `first`. Null where a row
  // hides nothing of its range.
  const std::uint8_t* tile(std::int64_t first, std::int64_t count, KeyRange* visible) const;
};
PackedKeys pack_keys(const AttentionShape& shape, const PatternBlock& block,
                     const KeyRange& within);

// The kernels, with blocks of this many positions.
void attend_pattern(const AttentionForwardArgs& arguments, std::int64_t positions);
void attend_pattern_backward(const AttentionBackwardArgs& arguments, std::int64_t positions);

}  // namespace lookback::kernels
