// Attention with explicit weights, which can be kept and looked at. The formulas are in
// kernels/attention_weights.h.
#pragma once

#include <source_location>

#include "autograd/ops/attention.h"

namespace lookback {

// softmax(scores, masked) [B, H, T, S] in the dtype of q and k; what the mask hides is exactly 0.
// Saves the pieces and the weights. Throws on other shapes and dtypes.
Tensor attention_weights(const AttentionPieces& pieces, const CausalMask& mask,
                         const std::source_location& where = std::source_location::current());

// weights [B, H, T, S] applied to v [B, S, G, V] -> [B, T, H, V]. `mask` is the one the weights
// were made with: what it hides is not read. Saves both operands.
Tensor apply_attention_weights(const Tensor& weights, const Tensor& v, const CausalMask& mask,
                               const std::source_location& where = std::source_location::current());

}  // namespace lookback
