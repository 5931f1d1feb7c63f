// Attention whose heads are composed at every pair of positions. The formulas are in
// kernels/composed_attention.h.
#pragma once

#include <source_location>

#include "autograd/ops/attention.h"

namespace lookback {

// What composes the heads, in the accumulator's dtype (f32 for f32 and bf16, f64 for f64), whatever
// its strides. Index 0 of the dimension of 2 stands for the scores, 1 for the weights.
struct HeadMixing {
  Tensor query;       // [B, T, 2, 2 R + 1, H]
  Tensor key;         // [B, S, 2, 2 R + 1, H]
  Tensor fixed = {};  // [2, H, H]; undefined: zeros
};

// The composed weights of one piece (and scores of its form), times v [B, S, G, V], without holding
// the weights -> [B, T, H, V]. Saves the piece, the mixing and v. A row that sees no key gives 0.
// The scale takes no gradient. Throws on other shapes and dtypes. `where`, here and below: for
// mask_watch.h.
Tensor composed_attention(const AttentionPieces& piece, const HeadMixing& mixing, const Tensor& v,
                          const CausalMask& mask,
                          const std::source_location& where = std::source_location::current());

// The composed weights [B, H, T, S] in q's dtype, for apply_attention_weights; what the mask hides
// is exactly 0. Saves the piece and the mixing.
Tensor composed_attention_weights(
    const AttentionPieces& piece, const HeadMixing& mixing, const CausalMask& mask,
    const std::source_location& where = std::source_location::current());

}  // namespace lookback
