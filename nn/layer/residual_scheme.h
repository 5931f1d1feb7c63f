// The opening for cross-layer residuals: what is added to the residual stream at the two sites of a
// layer.
#pragma once

#include <vector>

#include "nn/layer/config.h"
#include "nn/layer/forward_pass.h"
#include "nn/module.h"
#include "nn/precision.h"
#include "nn/residual_sum.h"
#include "runtime/registry.h"

namespace lookback {

class ResidualScheme : public Module {
 public:
  using Module::Module;
  static constexpr std::string_view family = "residual_scheme";
  // layer_input: the layer's input before any norm; own: the output of this layer's attention.
  virtual ResidualSum after_attention(const Tensor& layer_input, const Tensor& own,
                                      const ForwardPass& pass) const = 0;
  // stream: the value after the attention site; own: the output of this layer's MLP.
  virtual ResidualSum after_mlp(const Tensor& layer_input, const Tensor& stream, const Tensor& own,
                                const ForwardPass& pass) const = 0;
  virtual RecordNeeds needs() const = 0;
};

using ResidualSchemes = Registry<ResidualScheme, ChildOf, LlamaConfig, std::int64_t, Precision>;

}  // namespace lookback
