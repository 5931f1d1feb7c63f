// What a layer leaves behind for the layers after it.
#pragma once

#include <memory>
#include <vector>

#include "nn/layer/attention_replay.h"

namespace lookback {

class DecoderLayer;

// What the schemes of a model want recorded. The plain Llama wants nothing.
struct RecordNeeds {
  bool replay = false;            // the attention weights, to be applied again
  bool scores = false;            // queries and keys, for accumulated scores
  bool attention_output = false;  // as it was
  bool mlp_output = false;        // as it was
  bool auxiliary_loss = false;    // of the routers of a mixture
  bool any() const { return replay || scores || attention_output || mlp_output || auxiliary_loss; }
  friend RecordNeeds operator|(RecordNeeds a, RecordNeeds b) {
    return {a.replay || b.replay, a.scores || b.scores, a.attention_output || b.attention_output,
            a.mlp_output || b.mlp_output, a.auxiliary_loss || b.auxiliary_loss};
  }
};

// Members that are not needed stay empty.
struct LayerRecord {
  const DecoderLayer* layer = nullptr;  // its attention, norms and MLP, to be run again
  std::shared_ptr<const AttentionReplay> replay;
  Tensor value_weight;      // [G dk, D], LinearValues: W^V times the gain of the norm before it
  Tensor query;             // [B, T, H, dk], after rope
  Tensor key;               // [B, T, G, dk], after rope
  Tensor attention_output;  // [B, T, D]
  Tensor mlp_output;        // [B, T, D]
  Tensor auxiliary_loss;    // [], its coefficients inside: what the layer adds to what is trained

  // What AttentionMechanism::output() wants of the run that is repeated: its choice().
  std::vector<Tensor> of_attention;

  // All tensors it holds (undefined ones included), and the same record with others in their place:
  // for a checkpoint.
  std::vector<Tensor> tensors() const;
  LayerRecord with(const std::vector<Tensor>& tensors) const;
};

}  // namespace lookback
