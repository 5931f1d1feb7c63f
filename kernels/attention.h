// Attention that never holds T x S numbers (Dao et al. 2022, 2023). Every attention of a model is
// a case of this one contract:
//
//   score[b, h, t, s] = form(sum_p scales[p] * q[p][b, t, h, :] . k[p][b, s, g(h), :])
//   log_sum_exp[b, h, t] = ln sum_s exp(score[b, h, t, s])
//   y[b, t, h, :] = sum_s exp(score[b, h, t, s] - log_sum_exp[b, h, t]) v[b, s, g(h), :]
//
// where the sums over s run over the keys that the mask shows to t, and form is the identity, a
// soft cap, a bias by distance, or both (score_form.h).
//
// Query head h reads key/value head g(h) = h / (H / G), in place: G divides H. A list of pieces
// stands for one head size split over several tensors (accumulated scores); most models have one
// piece. With `given_log_sum_exp` the weights of an earlier run are replayed on new values: the
// log-sum-exp is read instead of computed.
//
// q[p] [B, T, H, K_p], k[p] [B, S, G, K_p], v [B, S, G, V]: any strides but the last, which is 1,
// so that splitting a projection into heads copies nothing. scales [P] and both log-sum-exps
// [B, H, T] in the accumulator's dtype (f32 for f32 and bf16, f64 for f64), contiguous. y
// [B, T, H, V] contiguous, of v's dtype. Scores, weights and sums are kept in the accumulator's
// dtype; bf16 operands are converted exactly, results rounded once. (A GPU's tensor cores take bf16
// alone: its weights, and the gradients of its scores, are rounded before they are multiplied.)
//
// A row that sees no key has y = 0, log_sum_exp = -inf, and passes no gradient.
#pragma once

#include "kernels/causal_mask.h"
#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"
#include "kernels/score_form.h"

namespace lookback::kernels {

struct AttentionForwardArgs {
  InList q;
  InList k;
  In v;
  In scales;
  ScoreForm form = {};
  In given_log_sum_exp = {};  // absent: compute it
  Out y;
  Out log_sum_exp = {};  // absent where it is given
  Out workspace = {};    // u8, as much as attention_forward.workspace_bytes() says
  CausalMaskView mask = {};
  static constexpr auto dependency =
      attend(&AttentionForwardArgs::y, &AttentionForwardArgs::log_sum_exp, &AttentionForwardArgs::q,
             &AttentionForwardArgs::k, &AttentionForwardArgs::v, &AttentionForwardArgs::scales,
             &AttentionForwardArgs::form, &AttentionForwardArgs::given_log_sum_exp,
             &AttentionForwardArgs::mask);
};
// Filled by kernels/cpu/attention_forward.cpp and kernels/cuda/attention/attention.cu.
inline Slot<AttentionForwardArgs> attention_forward{"attention_forward"};

// With P the weights and D[b, h, t] = sum_d dy y:
//   dP = dy v^T,  dS = P (dP - D) form',  dv = P^T dy,
//   dq[p] += scales[p] dS k[p],  dk[p] += scales[p] dS^T q[p],  dscales[p] = sum dS (q[p] . k[p])
// The log-sum-exp is a function of q and k, also where it was given: the same formulas hold for a
// replay, with its own y. Every output is optional (absent, or an absent entry of its list). dq and
// dk are added to, once per use of the pieces; dv and dscales are written. They have the dtypes of
// q, k, v and scales, any strides but the last, which is 1.
//
// On the CPU, under a mask without a pattern, a run and its replays may go back together, so that
// the weights are made once for all of them: each replay by itself asks for its dv and for
// `given_dlog_sum_exp` = -D alone, and the run then takes their sum as `dlog_sum_exp` and their dy
// and v as lists:
//   dS = P (dP + sum_r replayed_dy[r] replayed_v[r]^T - D + dlog_sum_exp) form'
struct AttentionBackwardArgs {
  In dy;  // as y; absent: 0, where there are replays
  InList q;
  InList k;
  In v;
  In scales;
  ScoreForm form = {};
  In y;
  In log_sum_exp;  // computed or given
  InOutList dq = {};
  InOutList dk = {};
  Out dv = {};
  Out dscales = {};
  Out workspace = {};  // u8, as much as attention_backward.workspace_bytes() says
  InList replayed_dy = {}, replayed_v = {};  // as dy and v, each pair with a V of its own
  In dlog_sum_exp = {};                      // as log_sum_exp; absent: 0
  Out given_dlog_sum_exp = {};               // as log_sum_exp
  CausalMaskView mask = {};
};
// Filled by kernels/cpu/attention_backward.cpp and kernels/cuda/attention/attention.cu.
inline BackwardSlot<AttentionBackwardArgs> attention_backward{"attention_backward"};

}  // namespace lookback::kernels
