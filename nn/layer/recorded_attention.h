// Running attention on given pieces, in the way the pass asks for, and keeping what it takes to
// apply the same weights again.
#pragma once

#include <memory>
#include <vector>

#include "autograd/ops/attention.h"
#include "nn/layer/attention_replay.h"
#include "nn/layer/forward_pass.h"

namespace lookback {

// Attention weights [B, H, T, S] and the mask they were made with.
struct MaskedWeights {
  Tensor weights;
  CausalMask mask;
};

// softmax(masked scores) as a tensor.
MaskedWeights masked_weights(const AttentionPieces& pieces, const CausalMask& mask);
// A replay that applies these weights.
std::shared_ptr<const AttentionReplay> kept_weights(MaskedWeights recorded);

// The tensors of pieces at the end of others, and pieces like these made of those from `begin` on:
// for a replay's tensors() and with().
void append_tensors(std::vector<Tensor>& all, const AttentionPieces& pieces);
AttentionPieces pieces_from(const std::vector<Tensor>& all, std::size_t begin,
                            const AttentionPieces& like);

struct RecordedAttention {
  Tensor output;  // [B, T, H, dv]
  std::shared_ptr<const AttentionReplay> replay;
};

// softmax(masked scores) values. On the streaming path the replay holds the
// pieces and the row log-sum-exps, on the explicit one the weights; both apply the same numbers.
// Writes the weights into the pass's trace where there is one.
RecordedAttention record_attention(const AttentionPieces& pieces, const Tensor& values,
                                   const CausalMask& mask, const ForwardPass& pass);

}  // namespace lookback
