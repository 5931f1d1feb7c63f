#include "nn/layer/residual_scheme.h"

namespace lookback {

std::unique_ptr<const ResidualKind> residual_kind(const LlamaConfig& config) {
  const auto& cross = config.cross_layer_residual;
  return ResidualSchemes::make(cross ? std::string_view(cross->source)
                                     : ResidualKind::default_name);
}

bool reruns_layers(const LlamaConfig& config) {
  return config.cross_layer_residual && residual_kind(config)->reruns_layers();
}

}  // namespace lookback
