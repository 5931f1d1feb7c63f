// Attention weights that were computed once and are applied again to other values.
#pragma once

#include <memory>
#include <vector>

#include "runtime/tensor.h"

namespace lookback {

class RunningReplay;

// Made by the attention mechanism of the layer that recorded it, with that layer's mask inside:
// what a later layer can do with it is apply the recorded weights, already masked and normalized,
// to new values, and nothing else. Gradients flow through it to whatever the weights were made of.
class AttentionReplay {
 public:
  virtual ~AttentionReplay() = default;
  // values [B, S, G, dv], or [B, S, 1, dv] for all heads -> weights times values [B, T, H, dv]
  virtual Tensor apply(const Tensor& values) const = 0;
  // What it was made of, and the same replay made of other tensors of these shapes: for a
  // checkpoint, which hands the tensors on in its own name.
  virtual std::vector<Tensor> tensors() const = 0;
  virtual std::shared_ptr<const AttentionReplay> with(const std::vector<Tensor>& tensors) const = 0;
  // Null where it needs the values of every position while decoding.
  virtual const RunningReplay* running() const { return nullptr; }
};

// One that sums up the past: while decoding it takes a state in place of the earlier values.
class RunningReplay : public AttentionReplay {
 public:
  // values [B, T, G, dv] of this pass's tokens. `state` stands for those before (undefined: none),
  // and then for these, too.
  virtual Tensor apply_behind(const Tensor& values, Tensor& state) const = 0;
  const RunningReplay* running() const final { return this; }
};

}  // namespace lookback
