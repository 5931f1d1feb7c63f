#include "nn/llama/inert_parameters.h"

#include <fmt/format.h>

#include <vector>

namespace lookback {
namespace {

std::set<std::string> below(const Llama& llama, const std::vector<std::string>& prefixes) {
  std::set<std::string> names;
  for (const auto& parameter : llama.parameters()) {
    for (const auto& prefix : prefixes) {
      if (parameter.name.starts_with(prefix)) names.insert(parameter.name);
    }
  }
  return names;
}

}  // namespace

std::set<std::string> inert_parameters(const Llama& llama) {
  using Site = CrossLayerResidual::Site;
  const auto& config = llama.config;
  const auto layers = config.num_hidden_layers;
  std::vector<std::string> prefixes;
  const auto add = [&](std::int64_t layer, const std::vector<std::string>& parts) {
    for (const auto& part : parts)
      prefixes.push_back(fmt::format("model.layers.{}.{}", layer, part));
  };
  const std::vector<std::string> attention{"input_layernorm", "self_attn."};
  const std::vector<std::string> mlp{"post_attention_layernorm", "mlp."};
  const auto& cross = config.cross_layer_residual;
  if (cross && !cross->include_self && layers > 1) {
    const bool replace = cross->stream == CrossLayerResidual::Stream::replace;
    const auto last = layers - 1;
    add(last, cross->site == Site::attention ? attention : mlp);
    if (cross->site == Site::mlp && replace) add(last, attention);
    if (cross->site == Site::attention && replace && cross->source == "stored") add(last - 1, mlp);
    const std::vector<std::string> learned{"modified_residual_", "mlp_residual_weights",
                                           "attn_residual_weights"};
    add(1, learned);  // of a single term
    // What the layer before the last leaves in the stream is cut off, and nobody runs it again.
    if (replace && cross->source == "stored") add(last - 1, learned);
  }
  if (config.score_scale == "power") add(0, {"self_attn.modified_scaling.b"});
  if (config.score_scale == "per_layer_share") add(0, {"self_attn.modified_scaling.score_params"});
  return below(llama, prefixes);
}

}  // namespace lookback
