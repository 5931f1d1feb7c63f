// Which positions a layer's cache keeps: those that a later query can still see.
//
// A window of w keys at most d apart keeps the last (w - 1) d + 1, and the global tokens. A global
// token sees all before it: up to the last one of a list everything is kept. Random blocks may show
// any position again: everything is kept.
//
// Layers that look at others need more than they see themselves. Under accumulated scores a layer
// multiplies the keys of those before it: all layers keep what the one that sees farthest sees
// (attention_scores.cpp). Values of a layer that is run again are kept as that layer keeps its keys
// (KeyValueCache::values_again). A model with a known mistake keeps everything.
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
// for those of a cache of this reach: before(position), and the queries' own, in the order of their
// positions. Streamed attention on the CPU then adds up the same numbers in the same order as over
// all keys: the same bits. Explicit weights and composed heads take whole rows, in parts that count
// from the first key: there, and on a GPU, it is the same but for rounding.
CausalMask mask_of_held(CausalMask mask, const CacheReach& reach, std::int64_t position,
                        std::int64_t end, const Device& device);

}  // namespace lookback
