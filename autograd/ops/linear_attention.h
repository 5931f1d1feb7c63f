// Causal linear attention, in chunks: memory and work linear in the tokens. The formulas are in
// kernels/linear_attention.h.
//
// q [B, T, H, K] and k [B, T, G, K] are features: what a feature map made of queries and keys, and
// turned if rotary positions are wanted. v [B, T, G, V]; one floating dtype. Query head h reads
// key/value head h / (H / G). Strided views are read where they lie if their last dimension is
// dense, else copied. All throw on other shapes and dtypes, and for a mask that hides more than
// what comes later: a state has every token in it. `where`: for mask_watch.h.
#pragma once

#include <source_location>

#include "autograd/ops/causal_mask.h"
#include "runtime/tensor.h"

namespace lookback {

// y[t] = q[t] . (sum_{s <= t} k[s]^T v[s]) / divisor[t]  [B, T, H, V]. divisor [B, H, T], in the
// accumulator's dtype. Saves the operands and y; backward makes the states of the chunks again.
Tensor linear_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& divisor,
                        const CausalMask& mask,
                        const std::source_location& where = std::source_location::current());

// q[t] . sum_{s <= t} k[s] + epsilon  [B, H, T], in the accumulator's dtype. Saves q and k.
Tensor linear_attention_divisor(const Tensor& q, const Tensor& k, double epsilon);

// The same for tokens behind those that a state stands for (undefined: none): what they give, and
// the state that now stands for them, too. mask.offset: how many it stood for. No gradient.
struct LinearAttentionStep {
  Tensor result;
  Tensor state;  // [B, G, K, V], of the divisor [B, G, K], in the accumulator's dtype
};
LinearAttentionStep continue_linear_attention(
    const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& divisor, const Tensor& state,
    const CausalMask& mask, const std::source_location& where = std::source_location::current());
LinearAttentionStep continue_linear_attention_divisor(const Tensor& q, const Tensor& k,
                                                      double epsilon, const Tensor& state);

}  // namespace lookback
