// Explicit attention: the weights as a tensor that can be kept, looked at, and applied to new
// values. The same contract as kernels/attention.h, in two halves:
//
//   score[b, h, t, s] = form(sum_p scales[p] * q[p][b, t, h, :] . k[p][b, s, g(h), :])
//   weights[b, h, t, s] = exp(score[b, h, t, s]) / sum_s exp(score[b, h, t, s])
//   y[b, t, h, :] = sum_s weights[b, h, t, s] v[b, s, g(h), :]
//
// where the sums over s run over the keys that the mask shows to t; all other weights are 0.
//
// Operands as there; weights [B, H, T, S] contiguous, of the operands' dtype. The softmax is
// computed in the accumulator's dtype; bf16 weights are rounded once. A row that sees no key is 0
// everywhere.
#pragma once

#include "kernels/attention.h"

namespace lookback::kernels {

struct AttentionWeightsForwardArgs {
  InList q;
  InList k;
  In scales;
  ScoreForm form = {};
  Out weights;
  CausalMaskView mask = {};
  static constexpr auto dependency =
      attend_weights(&AttentionWeightsForwardArgs::weights, &AttentionWeightsForwardArgs::q,
                     &AttentionWeightsForwardArgs::k, &AttentionWeightsForwardArgs::scales,
                     &AttentionWeightsForwardArgs::form, &AttentionWeightsForwardArgs::mask);
};
// Filled by kernels/cpu/attention_weights.cpp and kernels/cuda/attention/attention_weights.cu.
inline Slot<AttentionWeightsForwardArgs> attention_weights_forward{"attention_weights_forward"};

// dS = weights (dweights - sum_s weights dweights) form', and from it, as in attention_backward,
// dq[p] += scales[p] dS k[p], dk[p] += scales[p] dS^T q[p], dscales[p] = sum dS (q[p] . k[p]).
struct AttentionWeightsBackwardArgs {
  In dweights;  // as weights
  In weights;
  InList q;
  InList k;
  In scales;
  ScoreForm form = {};
  InOutList dq = {};
  InOutList dk = {};
  Out dscales = {};
  Out workspace = {};  // u8, as much as attention_weights_backward.workspace_bytes() says
  CausalMaskView mask = {};
};
inline BackwardSlot<AttentionWeightsBackwardArgs> attention_weights_backward{
    "attention_weights_backward"};

// Here heads are split by key/value head and place in its group, so that values broadcast over the
// group as in any matrix product: head h is (g, i) with h = g * (H / G) + i. What the mask hides is
// not read. weights [B, G, H / G, T, S] contiguous, v [B, G, 1, S, V] and y [B, G, H / G, T, V]
// with any strides but the last, which is 1.
struct ApplyAttentionWeightsForwardArgs {
  In weights;
  In v;
  Out y;
  CausalMaskView mask = {};
  static constexpr auto dependency =
      contract(&ApplyAttentionWeightsForwardArgs::y, &ApplyAttentionWeightsForwardArgs::weights,
               &ApplyAttentionWeightsForwardArgs::v);
};
// Filled by kernels/cpu/apply_attention_weights.cpp and
// kernels/cuda/attention/apply_attention_weights.cu.
inline Slot<ApplyAttentionWeightsForwardArgs> apply_attention_weights_forward{
    "apply_attention_weights_forward"};

// dweights = dy v^T where the mask shows, 0 elsewhere; dv = sum over the group of weights^T dy.
// Both are written, and optional.
struct ApplyAttentionWeightsBackwardArgs {
  In dy;  // as y
  In weights;
  In v;
  Out dweights = {};
  Out dv = {};
  CausalMaskView mask = {};
};
inline BackwardSlot<ApplyAttentionWeightsBackwardArgs> apply_attention_weights_backward{
    "apply_attention_weights_backward"};

}  // namespace lookback::kernels
