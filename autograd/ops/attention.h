// Attention, streaming: never holds T x S numbers. The formulas are in kernels/attention.h.
#pragma once

#include <memory>
#include <source_location>
#include <vector>

#include "autograd/ops/causal_mask.h"
#include "runtime/tensor.h"

namespace lookback {

// What the scores are made of: scores = sum_p scales[p] q[p] k[p]^T, then a soft cap and a bias by
// distance, where they are wanted (kernels/score_form.h).
// q[p] [B, T, H, K_p], k[p] [B, S, G, K_p] (query head h reads key head h / (H / G)), one floating
// dtype; scales [P] in the accumulator's dtype (f32 for f32 and bf16, f64 for f64). Strided views
// are read where they lie if their last dimension is dense, else copied. No gradient goes to the
// slopes.
struct AttentionPieces {
  std::vector<Tensor> q;
  std::vector<Tensor> k;
  Tensor scales;
  double soft_cap = 0;  // c: S = c tanh(S / c); 0: none
  Tensor slopes = {};   // [H], as the scales: S_h -= slopes[h] (i - j) (ALiBi); undefined: none
};

// What replays of a run leave for its backward, so that the weights are made once for all of them:
// given to attention(), and to the attention_replay() of that run's pieces.
struct LeftByReplays {
  struct Part {
    Tensor dy, v;
  };
  bool are_collected = false;  // by the run: on the CPU, under a mask without a pattern
  std::vector<Part> parts = {};
};

struct AttentionResult {
  Tensor y;            // [B, T, H, V]
  Tensor log_sum_exp;  // [B, H, T], in the accumulator's dtype. For attention_replay() alone, which
                       // counts it as a function of q and k.
};

// softmax(scores, masked) v with v [B, S, G, V]. Saves q, k, v, y and one number per row and head.
// A row that sees no key gives 0. Throws on other shapes and dtypes. `where`, here and below: for
// mask_watch.h.
AttentionResult attention(const AttentionPieces& pieces, const Tensor& v, const CausalMask& mask,
                          const std::shared_ptr<LeftByReplays>& left = nullptr,
                          const std::source_location& where = std::source_location::current());

// The weights of an earlier attention() of the same pieces and mask, applied to other values (whose
// head size may differ): exp(scores - log_sum_exp) v. The gradient goes to the pieces as well,
// through the weights as a whole: with `left`, where the run collects them, behind the backward of
// all replays, together with the run's own; dy and v are kept until then.
Tensor attention_replay(const AttentionPieces& pieces, const Tensor& log_sum_exp, const Tensor& v,
                        const CausalMask& mask,
                        const std::shared_ptr<LeftByReplays>& left = nullptr,
                        const std::source_location& where = std::source_location::current());

}  // namespace lookback
