// Causal linear attention (Katharopoulos et al. 2020) on queries and keys that a feature map has
// made: a weight is a product of features, so that the past is one matrix, the state.
//
//   state[b, g, t] = state_before[b, g] + sum_{s <= t} k[b, s, g, :]^T v[b, s, g, :]      [K, V]
//   y[b, t, h, :] = q[b, t, h, :] state[b, g(h), t] / divisor[b, h, t]
//   state_after[b, g] = state[b, g, T - 1]
//
// Query head h reads key/value head g(h) = h / (H / G): G divides H. Tokens go in chunks of 64:
// inside a chunk by the weights (q k^T, masked by selection) themselves, between chunks by the
// state at the chunk's start, of which the workspace holds one per chunk. Memory and work are
// linear in T, and the bits do not depend on the number of threads.
//
// q [B, T, H, K], k [B, T, G, K], v [B, T, G, V], one floating dtype, any strides but the last,
// which is 1. divisor [B, H, T], state_before and state_after [B, G, K, V] in the accumulator's
// dtype (f32 for f32 and bf16, f64 for f64), contiguous. y [B, T, H, V] contiguous, of v's dtype.
// Sums are kept in the accumulator's dtype; bf16 operands are converted exactly, results rounded
// once. What stands in later rows of k and v, NaN included, does not reach y.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

inline constexpr std::int64_t linear_attention_chunk = 64;

struct LinearAttentionForwardArgs {
  In q, k, v, divisor;
  In state_before = {};  // absent: zeros
  Out y;
  Out state_after = {};  // optional
  Out workspace = {};    // u8, as much as linear_attention_forward.workspace_bytes() says
  static constexpr auto dependency =
      running_sums(&LinearAttentionForwardArgs::y, &LinearAttentionForwardArgs::state_after,
                   rows(&LinearAttentionForwardArgs::q, &LinearAttentionForwardArgs::divisor),
                   rows(&LinearAttentionForwardArgs::k, &LinearAttentionForwardArgs::v),
                   &LinearAttentionForwardArgs::state_before);
};
// Filled by kernels/cpu/linear_attention.cpp and kernels/cuda/linear_attention.cu.
inline Slot<LinearAttentionForwardArgs> linear_attention_forward{"linear_attention_forward"};

// Of a whole sequence: no state_before. With n[b, t, h, :] = dy / divisor,
//   dq[t] = state[t] n[t],  dk[s] = rest[s] v[s],  dv[s] = k[s] rest[s],
//   ddivisor = -(dy . y) / divisor,
// where rest[b, g, s] = sum over t >= s and the heads of g of q[b, t, h, :]^T n[b, t, h, :]. Every
// output is optional, and written; dq, dk and dv contiguous, of the dtypes of q, k and v.
struct LinearAttentionBackwardArgs {
  In dy;  // as y
  In q, k, v, divisor, y;
  Out dq = {};
  Out dk = {};
  Out dv = {};
  Out ddivisor = {};
  Out workspace = {};  // u8, as much as linear_attention_backward.workspace_bytes() says
};
inline BackwardSlot<LinearAttentionBackwardArgs> linear_attention_backward{
    "linear_attention_backward"};

// What makes the weights of a row add up to (about) 1, from features of its own:
//
//   sums[b, g, t, :] = sums_before[b, g, :] + sum_{s <= t} k[b, s, g, :]
//   divisor[b, h, t] = q[b, t, h, :] . sums[b, g(h), t, :] + epsilon
//
// Operands as above; sums_before and sums_after [B, G, K].
struct LinearAttentionDivisorForwardArgs {
  In q, k;
  In sums_before = {};  // absent: zeros
  Out divisor;
  Out sums_after = {};  // optional
  Out workspace = {};   // u8, as much as linear_attention_divisor_forward.workspace_bytes() says
  double epsilon = 0;
  static constexpr auto dependency = running_sums(
      &LinearAttentionDivisorForwardArgs::divisor, &LinearAttentionDivisorForwardArgs::sums_after,
      rows(&LinearAttentionDivisorForwardArgs::q), rows(&LinearAttentionDivisorForwardArgs::k),
      &LinearAttentionDivisorForwardArgs::sums_before);
};
// Filled by kernels/cpu/linear_attention_divisor.cpp and kernels/cuda/linear_attention.cu.
inline Slot<LinearAttentionDivisorForwardArgs> linear_attention_divisor_forward{
    "linear_attention_divisor_forward"};

// dq[t] = ddivisor[t] sums[t], dk[s] = sum over t >= s and the heads of g of ddivisor[t] q[t]. Both
// are optional, and written, contiguous.
struct LinearAttentionDivisorBackwardArgs {
  In ddivisor, q, k;
  Out dq = {};
  Out dk = {};
  Out workspace = {};  // u8, as much as linear_attention_divisor_backward.workspace_bytes() says
};
inline BackwardSlot<LinearAttentionDivisorBackwardArgs> linear_attention_divisor_backward{
    "linear_attention_divisor_backward"};

}  // namespace lookback::kernels
