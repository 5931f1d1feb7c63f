// The check of a mask, for the operations that take one.
#pragma once

#include "autograd/ops/causal_mask.h"
#include "runtime/check.h"

namespace lookback::detail {

// What a mask is to hide: scores [B, H, T, S].
struct ScoreShape {
  std::int64_t sequences, heads, rows, keys;
};

// Throws unless the mask's tensors fit to the scores.
void check_mask(const Check& check, const CausalMask& mask, const ScoreShape& scores);

}  // namespace lookback::detail
