#pragma once

#include <source_location>

#include "kernels/causal_mask.h"
#include "runtime/tensor.h"

namespace lookback {

// Which keys a query may look at: made in one place and handed to every path that attends. Key s is
// visible to query row t of sequence b when
//   s <= offset + t,
//   s > offset + t - window       (where there is a window),
//   s >= document_start[b, t]     (where there are documents).
struct CausalMask {
  std::int64_t offset = 0;     // position of query row 0 among the keys: the length of the past
  std::int64_t window = 0;     // how many keys a row sees, itself included; 0: no limit
  Tensor document_start = {};  // [B, T] i64, or undefined
  // The line that made it, which a MaskWatch reports (autograd/mask_watch.h).
  std::source_location made = std::source_location::current();
  kernels::CausalMaskView view() const {
    return {.offset = offset, .window = window, .document_start = document_start};
  }
};

}  // namespace lookback
