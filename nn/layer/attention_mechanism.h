// The opening for attention: how a layer's tokens read from one another. A mechanism is one file in
// nn/attention/: its options (attention_options.h), this module, its cache, and its registration in
// AttentionTypes.
#pragma once

#include <string>
#include <vector>

#include "nn/layer/attention_options.h"
#include "nn/layer/forward_pass.h"
#include "nn/linear.h"
#include "nn/module.h"

namespace lookback {

// Of a mechanism whose values are one projection of the normed input, and whose output is one of
// what was attended to: all earlier layers' projections are then one product.
struct LinearValues {
  const Linear& value;   // [G dv, D]
  const Linear& output;  // [D, H dv]
  std::int64_t head_dim;
};

// Weights that the scores of a layer are linear in: with larger ones attention saturates.
struct ScoreWeights {
  std::vector<std::string> queries, keys;  // names of parameters below the mechanism
};

class AttentionMechanism : public Module {
 public:
  using Module::Module;
  // normed [B, T, D], this layer's normalized input -> [B, T, D]. Reads the pass's mask, rope
  // tables, cache and earlier records; writes what the pass needs into `record`.
  virtual Tensor forward(const Tensor& normed, const ForwardPass& pass,
                         LayerRecord& record) const = 0;
  // What the mechanism itself wants recorded by every layer.
  virtual RecordNeeds needs() const = 0;

  // To run the layer again on another input: record.replay applies the recorded weights to
  // values(normed), and output() makes of that what the layer gives.
  // normed [B, T, D] -> [B, T, g, w], any g and w of the mechanism's own
  virtual Tensor values(const Tensor& normed) const = 0;
  // What the weights are applied to, of values that may have been cached: [B, S, g, w] -> the same
  // with another width.
  virtual Tensor attendable(const Tensor& values) const { return values; }
  // Gates, or a choice of experts, of an input [B, T, D]: what output() wants in of_attention of
  // the record of its run.
  virtual std::vector<Tensor> choice(const Tensor&) const { return {}; }
  // attended [B, T, H, w], record: of the run that is repeated -> [B, T, D]
  virtual Tensor output(const Tensor& attended, const LayerRecord& record) const = 0;
  // The same in the terms of LinearValues; null where it is not of that kind.
  virtual const LinearValues* linear_values() const { return nullptr; }

  virtual ScoreWeights score_weights() const = 0;
  // Below this module, the parameters whose gradient is zero by construction.
  virtual std::vector<std::string> inert(const LlamaConfig&) const { return {}; }
};

}  // namespace lookback
