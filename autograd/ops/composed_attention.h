// Attention whose heads are composed at every pair of positions. The formulas are in
// kernels/composed_attention.h.
#pragma once

#include <source_location>

#include "autograd/ops/causal_mask.h"
#include "runtime/tensor.h"

namespace lookback {

// What composes the heads, in the accumulator's dtype (f32 for f32 and bf16, f64 for f64), whatever
// its strides. Index 0 of the dimension of 2 stands for the scores, 1 for the weights.
struct HeadMixing {
  Tensor query;       // [B, T, 2, 2 R + 1, H]
  Tensor key;         // [B, S, 2, 2 R + 1, H]
  Tensor fixed = {};  // [2, H, H]; undefined: zeros
};

// What the weights are made of.
struct ComposedScores {
  Tensor q;  // [B, T, H, K], floating
  Tensor k;  // [B, S, G, K], as q; G divides H
  HeadMixing mixing;
  double scale = 1;
  double soft_cap = 0;  // scores become soft_cap tanh(score / soft_cap); 0: they stay
  Tensor slopes = {};   // ALiBi, [H] in the accumulator's dtype, takes no gradient; undefined: none
};

// The composed weights times v [B, S, G, V] -> [B, T, H, V], without holding the weights. Saves the
// scores' tensors and v. A row that sees no key gives 0. Throws on other shapes and dtypes.
// `where`, here and below: for mask_watch.h.
Tensor composed_attention(const ComposedScores& scores, const Tensor& v, const CausalMask& mask,
                          const std::source_location& where = std::source_location::current());

// The composed weights [B, H, T, S] in q's dtype, for apply_attention_weights; what the mask hides
// is exactly 0. Saves the scores' tensors.
Tensor composed_attention_weights(
    const ComposedScores& scores, const CausalMask& mask,
    const std::source_location& where = std::source_location::current());

}  // namespace lookback
