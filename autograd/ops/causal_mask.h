#pragma once

#include <source_location>

#include "kernels/causal_mask.h"
#include "runtime/tensor.h"

namespace lookback {

// What a pattern shows beside a window: contiguous, i64, each may be undefined.
struct KeyPattern {
  Tensor dilation = {};         // [H], at least 1: the distance of the keys of the window
  Tensor global_keys = {};      // [n], ascending: what all see, and what sees all
  Tensor random_blocks = {};    // [H, blocks, R]: for each block of queries R blocks of keys
  std::int64_t block_size = 1;  // keys and queries in a block
  bool present() const {
    return dilation.defined() || global_keys.defined() || random_blocks.defined();
  }
};

// Which keys a query may look at: made in one place and handed to every path that attends. The
// rule is in kernels/causal_mask.h. Without a pattern, key s is visible to query row t of sequence
// b when
//   s <= offset + t,
//   s > offset + t - window       (where there is a window),
//   s >= document_start[b, t]     (where there are documents).
struct CausalMask {
  std::int64_t offset = 0;     // position of query row 0: the length of the past
  std::int64_t window = 0;     // how many keys a row sees, itself included; 0: no limit
  Tensor document_start = {};  // [B, T] i64, or undefined
  KeyPattern pattern = {};     // what rows see beside the window, which it needs
  Tensor key_positions = {};   // [S] i64: where the keys stand; undefined: key s at position s
  // The line that made it, which a MaskWatch reports (autograd/mask_watch.h).
  std::source_location made = std::source_location::current();

  kernels::CausalMaskView view() const {
    return {.offset = offset,
            .window = window,
            .document_start = document_start,
            .pattern = {.dilation = pattern.dilation,
                        .global_keys = pattern.global_keys,
                        .random_blocks = pattern.random_blocks,
                        .block_size = pattern.block_size},
            .key_positions = key_positions};
  }
};

}  // namespace lookback
