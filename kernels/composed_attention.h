// Attention whose heads are composed at every pair of positions (Xiao et al. 2024, dynamically
// composable multi-head attention):
//
//   S[b, h, t, s] = form(scale q[b, t, h, :] . k[b, s, g(h), :])
//   A[b, h, t, s] = softmax over s of compose(0, S)[b, h, t, s]
//   P[b, h, t, s] = compose(1, A)[b, h, t, s]
//   y[b, t, h, :] = sum_s P[b, h, t, s] v[b, s, g(h), :]
//
// where s runs over the keys that the mask shows to t, form is that of score_form.h, and compose
// mixes the heads of one pair (t, s): with x[h] the numbers of the pair and m either of
// query_mixing[b, t, c] and key_mixing[b, s, c], each [2 R + 1, H],
//
//   compose(c, x)[n] = x[n] + sum_h x[h] fixed_mixing[c, h, n]
//                      + over both m: sum_(r < R) (sum_h x[h] m[r, h]) m[R + r, n] + x[n] m[2 R, n]
//
// All sums read the x that was given. P may be negative; what the mask hides is exactly 0 in A, and
// in P where it hides it from all heads. Query head h reads key/value head g(h) = h / (H / G): G
// divides H.
//
// q [B, T, H, K], k [B, S, G, K], v [B, S, G, V]: any strides but the last, which is 1.
// query_mixing [B, T, 2, 2 R + 1, H], key_mixing [B, S, 2, 2 R + 1, H]: the last three dimensions
// dense; fixed_mixing [2, H, H] (absent: zeros) and scale [1] contiguous. These four have the
// accumulator's dtype (f32 for f32 and bf16, f64 for f64), in which everything between the operands
// and the result is computed. y [B, T, H, V] and weights
// [B, H, T, S] contiguous, of q's dtype, rounded once.
//
// No kernel holds T x S numbers, but for the weights where they are asked for: a tile of queries is
// computed with all its heads and keys, once in forward and once more in backward.
#pragma once

#include "kernels/causal_mask.h"
#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"
#include "kernels/score_form.h"

namespace lookback::kernels {

// Either v and y, or weights, which become P.
struct ComposedAttentionForwardArgs {
  In q;
  In k;
  In v = {};
  In query_mixing;
  In key_mixing;
  In fixed_mixing = {};
  In scale;
  ScoreForm form = {};
  Out y = {};
  Out weights = {};
  Out workspace = {};  // u8, as much as composed_attention_forward.workspace_bytes() says
  CausalMaskView mask = {};
  static constexpr auto dependency = attend_composed(
      &ComposedAttentionForwardArgs::y, &ComposedAttentionForwardArgs::weights,
      rows(&ComposedAttentionForwardArgs::q, &ComposedAttentionForwardArgs::query_mixing),
      rows(&ComposedAttentionForwardArgs::k, &ComposedAttentionForwardArgs::key_mixing),
      &ComposedAttentionForwardArgs::v,
      shared(&ComposedAttentionForwardArgs::fixed_mixing, &ComposedAttentionForwardArgs::scale),
      &ComposedAttentionForwardArgs::form, &ComposedAttentionForwardArgs::mask);
};
// Filled by kernels/cpu/composed_attention_forward.cpp and
// kernels/cuda/attention/composed_attention_forward.cu.
inline Slot<ComposedAttentionForwardArgs> composed_attention_forward{"composed_attention_forward"};

// From dP = dy v^T, or from dweights as dP. With x what was composed and d its result's gradient,
// for each m of a pair, u[r] = sum_n d[n] m[R + r, n] and w[r] = sum_h x[h] m[r, h]:
//   dx[h] = d[h] + sum_n fixed_mixing[c, h, n] d[n]
//           + over both m: sum_r u[r] m[r, h] + d[h] m[2 R, h]
//   dm[r, h] += x[h] u[r],  dm[R + r, n] += w[r] d[n],  dm[2 R, h] += x[h] d[h]
// and through the softmax and the form as in attention_backward. All outputs are written.
struct ComposedAttentionBackwardArgs {
  In dy = {};        // as y; with v
  In dweights = {};  // as weights
  In q;
  In k;
  In v = {};
  In query_mixing;
  In key_mixing;
  In fixed_mixing = {};
  In scale;
  ScoreForm form = {};
  Out dq;
  Out dk;
  Out dv = {};
  Out dquery_mixing;
  Out dkey_mixing;
  Out dfixed_mixing = {};
  Out workspace = {};  // u8, as much as composed_attention_backward.workspace_bytes() says
  CausalMaskView mask = {};
};
// Filled by kernels/cpu/composed_attention_backward.cpp and
// kernels/cuda/attention/composed_attention_backward.cu.
inline BackwardSlot<ComposedAttentionBackwardArgs> composed_attention_backward{
    "composed_attention_backward"};

}  // namespace lookback::kernels
