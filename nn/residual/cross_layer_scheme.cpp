#include "nn/residual/cross_layer_scheme.h"

#include <fmt/format.h>

#include "autograd/ops/binary.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/split.h"
#include "nn/layer/model_hooks.h"

namespace lookback {

CrossLayerScheme::CrossLayerScheme(ChildOf place, const LlamaConfig& config, std::int64_t layer,
                                   Precision precision, std::string parameter)
    : ResidualScheme(std::move(place)), cross_(*config.cross_layer_residual), layer_(layer) {
  if (cross_.weights != CrossLayerResidual::Weights::learned || layer_ == 0) return;
  logits_ = register_parameter(std::move(parameter), empty({terms()}, precision.storage),
                               Initial::constant(1));
}

ResidualSum CrossLayerScheme::after_attention(const Tensor& layer_input, const Tensor& own,
                                              const ForwardPass& pass) const {
  if (cross_.site != Site::attention) return {layer_input, own};
  return modified(layer_input, layer_input, own, pass);
}

ResidualSum CrossLayerScheme::after_mlp(const Tensor& layer_input, const Tensor& stream,
                                        const Tensor& own, const ForwardPass& pass) const {
  if (cross_.site != Site::mlp) return {stream, own};
  return modified(layer_input, stream, own, pass);
}

Tensor CrossLayerScheme::effective_value() const {
  return logits_.defined() ? softmax(logits_) : Tensor{};
}

std::vector<std::string> CrossLayerScheme::inert(const LlamaConfig& config) const {
  const auto last = config.num_hidden_layers - 1;
  if (cross_.include_self || layer_ == 0 || layer_ != last) return {};
  std::vector<std::string> names;
  const auto add = [&](const auto& parts) {
    for (const auto part : parts) names.push_back(fmt::format("{}.{}", layer_, part));
  };
  const bool replace = cross_.stream == CrossLayerResidual::Stream::replace;
  if (cross_.site == Site::mlp) add(mlp_parts);
  if (cross_.site == Site::attention || replace) add(attention_parts);
  return names;
}

LayerWeights CrossLayerScheme::weights(const ForwardPass& pass) const {
  using Weights = CrossLayerResidual::Weights;
  if (cross_.weights == Weights::sum) return {};
  if (cross_.weights == Weights::mean) return {.uniform = 1.0 / static_cast<double>(terms())};
  const auto all = pass.hooks->layer_weights(softmax(logits_));
  const std::vector<std::int64_t> one_each(static_cast<std::size_t>(terms()), 1);
  return {.each = split(all, 0, one_each)};
}

void CrossLayerScheme::trace_term(const ForwardPass& pass, std::int64_t source,
                                  const Tensor& value) const {
  if (auto* trace = pass.options.trace) trace->contributions.push_back({layer_, source, value});
}

ResidualSum CrossLayerScheme::modified(const Tensor& layer_input, const Tensor& stream,
                                       const Tensor& own, const ForwardPass& pass) const {
  if (layer_ == 0) return {stream, own};
  const auto factors = weights(pass);
  auto total = earlier_total(layer_input, pass, factors);
  if (cross_.include_self) {
    const bool plain = factors.each.empty() && factors.uniform == 1;
    const auto share = factors.each.empty() ? own * factors.uniform : own * factors.each.back();
    trace_term(pass, layer_, plain ? own : share);
    total = total + (plain ? own : share);
  }
  if (cross_.stream == CrossLayerResidual::Stream::replace) return {total, {}};
  return {stream, total};
}

}  // namespace lookback
