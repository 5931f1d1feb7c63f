#pragma once

#include "autograd/ops/attention.h"

namespace lookback {

// The scores themselves, sum_p scales[p] q[p] k[p]^T, [B, H, T, S]: nothing hidden.
Tensor explicit_scores(const AttentionPieces& pieces);

}  // namespace lookback
