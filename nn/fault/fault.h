// Known mistakes, made on purpose: patients for the diagnosis. A model has a fault only where its
// config.json names one; each is one file that registers itself. Healthy code asks the fault of the
// pass at the few places below and holds no mistake of its own.
#pragma once

#include "nn/attention/recorded_attention.h"
#include "nn/registry.h"

namespace lookback {

class Fault {
 public:
  static constexpr std::string_view family = "fault";
  virtual ~Fault() = default;
  // One line: what is wrong.
  virtual std::string_view description() const = 0;
  // The mask of the whole pass.
  virtual CausalMask mask(const CausalMask& healthy) const { return healthy; }
  // What later layers replay: from the pieces and weights [B, H, T, S] of the layer that ran.
  virtual std::shared_ptr<const AttentionReplay> replay(const AttentionPieces& pieces,
                                                        const Tensor& weights,
                                                        const CausalMask& mask) const;
  // The weights over earlier layers, [m], as a residual scheme is about to use them.
  virtual Tensor layer_weights(const Tensor& healthy) const { return healthy; }
  // The targets [B, T] of the loss over ids [B, T].
  virtual Tensor targets(const Tensor& ids, const Tensor& healthy) const;
};

using Faults = Registry<Fault>;

}  // namespace lookback
