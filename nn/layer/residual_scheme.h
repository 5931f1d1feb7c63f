// The opening for cross-layer residuals: what is added to the residual stream at the two sites of a
// layer.
#pragma once

#include <memory>
#include <string>
#include <string_view>
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
  // layer_input: the layer's input before any norm; own: the output of this layer's attention.
  virtual ResidualSum after_attention(const Tensor& layer_input, const Tensor& own,
                                      const ForwardPass& pass) const = 0;
  // stream: the value after the attention site; own: the output of this layer's MLP.
  virtual ResidualSum after_mlp(const Tensor& layer_input, const Tensor& stream, const Tensor& own,
                                const ForwardPass& pass) const = 0;
  virtual RecordNeeds needs() const = 0;
  // The parameters of the model whose gradient is zero by what this layer's scheme does not read,
  // as prefixes of names below model.layers: "3.mlp.".
  virtual std::vector<std::string> inert(const LlamaConfig&) const { return {}; }
};

// What is known of a scheme without a model.
class ResidualKind {
 public:
  static constexpr std::string_view family = "residual_scheme";
  // Of a config without cross_layer_residual.
  static constexpr std::string_view default_name = "plain";
  virtual ~ResidualKind() = default;
  virtual std::unique_ptr<ResidualScheme> make(const ChildOf& place, const LlamaConfig& config,
                                               std::int64_t layer, Precision precision) const = 0;
  // Whether a layer runs those before it again on its own input.
  virtual bool reruns_layers() const { return false; }
  // What its terms are, behind "the outputs of all earlier layers, ".
  virtual std::string_view terms() const = 0;
  // The ablation ladder: the source that comes before this one ("": none), and the step from it.
  virtual std::string_view simpler_source() const { return ""; }
  virtual std::string_view ladder_step() const { return terms(); }
};

using ResidualSchemes = Registry<ResidualKind>;

// The kind that the config names.
std::unique_ptr<const ResidualKind> residual_kind(const LlamaConfig& config);
// Whether its layers run earlier ones again.
bool reruns_layers(const LlamaConfig& config);

}  // namespace lookback
