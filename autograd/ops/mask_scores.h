#pragma once

#include <source_location>

#include "autograd/ops/causal_mask.h"

namespace lookback {

// scores [(B, ..,) T, S] where the mask shows key s to row t of sequence b, -inf elsewhere, for
// softmax(): hidden means selected away, never a number added. The gradient is 0 where hidden.
// Saves the mask. Throws for integers, for fewer than two dimensions, and where document_start is
// not [B, T] of int64 (B is 1 for two dimensions).
Tensor mask_scores(const Tensor& scores, const CausalMask& mask,
                   const std::source_location& where = std::source_location::current());
// The same with 0 where hidden: for weights that no softmax makes.
Tensor mask_weights(const Tensor& weights, const CausalMask& mask,
                    const std::source_location& where = std::source_location::current());

}  // namespace lookback
