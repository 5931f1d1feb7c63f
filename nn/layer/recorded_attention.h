// Running attention on given pieces, in the way the pass asks for, and keeping what it takes to
// apply the same weights again.
#pragma once

#include <memory>

#include "autograd/ops/attention.h"
#include "nn/layer/attention_replay.h"
#include "nn/layer/forward_pass.h"

namespace lookback {

// Attention weights [B, H, T, S] and the mask they were made with.
struct MaskedWeights {
  Tensor weights;
  CausalMask mask;
};

struct RecordedAttention {
  Tensor output;  // [B, T, H, dv]
  std::shared_ptr<const AttentionReplay> replay;
};

// softmax(masked scores) values, under the pass's mask. On the streaming path the replay holds the
// pieces and the row log-sum-exps, on the explicit one the weights; both apply the same numbers.
// Writes the weights into the pass's trace where there is one.
RecordedAttention record_attention(const AttentionPieces& pieces, const Tensor& values,
                                   const ForwardPass& pass);

}  // namespace lookback
