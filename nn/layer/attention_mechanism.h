// The opening for attention: how a layer's tokens read from one another.
#pragma once

#include "nn/layer/config.h"
#include "nn/layer/forward_pass.h"
#include "nn/linear.h"
#include "nn/module.h"
#include "nn/precision.h"
#include "runtime/registry.h"

namespace lookback {

class AttentionMechanism : public Module {
 public:
  using Module::Module;
  static constexpr std::string_view family = "attention";
  // normed [B, T, D], this layer's normalized input -> [B, T, D]. Reads the pass's mask, rope
  // tables, cache and earlier records; writes what the pass needs into `record`.
  virtual Tensor forward(const Tensor& normed, const ForwardPass& pass,
                         LayerRecord& record) const = 0;
  // W^V and W^O, for the layers that run this one again.
  virtual const Linear& value_projection() const = 0;
  virtual const Linear& output_projection() const = 0;
  // What the mechanism itself wants recorded by every layer.
  virtual RecordNeeds needs() const = 0;
};

using AttentionMechanisms =
    Registry<AttentionMechanism, ChildOf, LlamaConfig, std::int64_t, Precision>;

}  // namespace lookback
