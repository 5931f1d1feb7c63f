#include "nn/layer/query_key_norm.h"

namespace lookback {
namespace {

constexpr double layer_norm_epsilon = 1e-5;  // whatever rms_norm_eps is

}  // namespace

QueryKeyNorm::QueryKeyNorm(ChildOf place, const HeadOptions& options, const Widths& widths,
                           const LlamaConfig& config, Precision precision)
    : Module(std::move(place)), kind_(options.qk_norm) {
  const auto rms_norm = [&](const char* name, std::int64_t width) {
    return std::make_unique<RmsNorm>(ChildOf{*this, name}, width, config.rms_norm_eps, precision);
  };
  const auto layer_norm = [&](const char* name, std::int64_t width) {
    return std::make_unique<LayerNorm>(ChildOf{*this, name}, width, layer_norm_epsilon, precision);
  };
  switch (kind_) {
    case QueryKeyNormKind::none: break;
    case QueryKeyNormKind::layer_norm:
      q_ln_ = layer_norm("q_ln", widths.query);
      k_ln_ = layer_norm("k_ln", widths.key);
      break;
    case QueryKeyNormKind::rms_norm:
      q_norm_ = rms_norm("q_norm", widths.query);
      k_norm_ = rms_norm("k_norm", widths.key);
      break;
    case QueryKeyNormKind::rms_norm_per_head:
      q_norm_ = rms_norm("q_norm", widths.head);
      k_norm_ = rms_norm("k_norm", widths.head);
      break;
  }
}

Tensor QueryKeyNorm::whole(const RmsNorm* norm, const LayerNorm* layer_norm,
                           const Tensor& x) const {
  if (kind_ == QueryKeyNormKind::layer_norm) return layer_norm->forward(x);
  return kind_ == QueryKeyNormKind::rms_norm ? norm->forward(x) : x;
}

Tensor QueryKeyNorm::heads(const RmsNorm* norm, const Tensor& x) const {
  return kind_ == QueryKeyNormKind::rms_norm_per_head ? norm->forward(x) : x;
}

}  // namespace lookback
