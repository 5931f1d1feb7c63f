// Which positions a layer's cache keeps: those that a later query can still see.
//
// A pattern of a window w of keys at most d apart keeps the last (w - 1) d + 1, and its global
// tokens (window and global tokens alone: random blocks may show any position again). A global token
// sees all before it: up to the last one of a list everything is kept. Under accumulated scores a
// layer multiplies the keys of those before it: all layers then keep what the one that sees
// farthest sees (attention_scores.h). What is run again on other values keeps those of the positions
// that the repeated layer keeps (KeyValueCache::values_again).
#pragma once

#include <cstdint>
#include <vector>

#include "autograd/ops/causal_mask.h"

namespace lookback {

// The first `globals` global positions, then first, first + 1, .. before `end`: ascending.
struct HeldPositions {
  std::int64_t globals = 0, first = 0, end = 0;
  std::int64_t count() const { return globals + end - first; }
};

struct CacheReach {
  bool whole = true;                  // every position
  std::int64_t window = 1, step = 1;  // the last `window` keys, `step` apart at most
  std::vector<std::int64_t> globals;  // ascending, each once

  // How many positions back to the query itself a window reaches.
  std::int64_t ring() const { return (window - 1) * step + 1; }
  // How many positions are held at once, that of the query among them. Not of `whole`.
  std::int64_t most() const;
  // The positions before `position` that a query there or behind it sees.
  HeldPositions before(std::int64_t position) const;
};

// What sees as far as both.
CacheReach joined(const CacheReach& a, const CacheReach& b);

// The mask of queries from `position` to `end`, handed over for keys that stand at their positions,
// for those of a cache of this reach: before(position), and the queries' own. They stand in the order
// of their positions, so that a kernel on the CPU adds up the same numbers in the same order as over
// all keys: the same bits.
CausalMask mask_of_held(CausalMask mask, const CacheReach& reach, std::int64_t position,
                        std::int64_t end, const Device& device);

}  // namespace lookback
