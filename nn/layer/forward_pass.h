// One run of the model: what all layers share, and what they leave for one another.
#pragma once

#include <map>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "autograd/ops/attention.h"
#include "nn/layer/key_value_cache.h"
#include "nn/layer/layer_record.h"
#include "nn/layer/rotary_tables.h"

namespace lookback {

// How attention is computed: same results. `streaming` never holds a T x T matrix;
// `explicit_weights` makes the weights as a tensor.
enum class AttentionPath { streaming, explicit_weights };

// What backward finds of a layer's inside: everything it needs, or the layer's inputs alone, from
// which the layer is run again. Same gradients to the bit.
enum class Activations { kept, recomputed };

// What a run writes down to be looked at.
struct Trace {
  // A layer that ran the attention of an earlier one again, on its own values.
  struct Replay {
    std::int64_t layer = 0, source = 0;
    std::shared_ptr<const AttentionReplay> replay;
    const std::string* scope = nullptr;  // Scope::current() there
    std::source_location where;          // the line that applied it
  };
  // A term of the sum that a cross-layer residual adds to the stream, its weight included.
  struct Contribution {
    std::int64_t layer = 0, source = 0;  // the same: the layer's own output
    Tensor value;                        // [B, T, D]
  };
  std::vector<Tensor> attention_weights;  // per layer [B, H, T, S]
  std::vector<AttentionPieces> pieces;    // per layer, what its scores are made of
  std::vector<Tensor> hidden_states;      // the input of each layer, then the output of the last
  std::vector<Tensor> attention_outputs, mlp_outputs;  // per layer, its own [B, T, D]
  // By layer, of those with gates: [B, T, heads or experts], 0 where one was not chosen.
  std::map<std::int64_t, Tensor> gates;
  std::vector<Replay> replays;
  std::vector<Contribution> contributions;
};

class ModelHooks;

struct ForwardOptions {
  AttentionPath attention = AttentionPath::streaming;
  Activations activations = Activations::kept;
  KeyValueCache* cache = nullptr;  // null: the sequences are whole
  Trace* trace = nullptr;
  // Asked in place of the model's own (nn/layer/model_hooks.h): to leave something out, or to put
  // something else in its place. Null: the model's own.
  const ModelHooks* hooks = nullptr;
};

struct ForwardPass {
  ForwardOptions options;
  const ModelHooks* hooks = nullptr;  // asked at each place that can be changed
  std::int64_t position = 0;          // of the first token
  CausalMask mask;                    // made in one place, handed to every path that attends
  std::int64_t end = 0;               // the position behind the last token
  const RotaryTables* rotary = nullptr;
  RecordNeeds needs;                 // what the schemes of all layers want recorded
  // Of the layer at hand, where it is to run more than once: what replays of it leave is left to
  // whichever run goes back. Null: each run has its own.
  std::shared_ptr<LeftByReplays> left_by_replays = nullptr;
  std::vector<LayerRecord> records;  // of the layers that have run; empty when nothing is needed

  // The tables that turn queries and keys of this width.
  const RopeTables& rope(std::int64_t width) const { return rotary->of(width, end); }
};

}  // namespace lookback
