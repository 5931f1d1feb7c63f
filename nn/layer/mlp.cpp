#include "nn/layer/mlp.h"

#include "autograd/ops/silu_mul.h"

namespace lookback {
namespace {

Bias bias_of(const LlamaConfig& config) { return bias_if(config.mlp_bias); }

}  // namespace

LlamaMlp::LlamaMlp(ChildOf place, const LlamaConfig& config, Precision precision)
    : LlamaMlp(std::move(place), config, precision,
               {2 * config.intermediate_size, config.hidden_size, precision.storage}) {}

LlamaMlp::LlamaMlp(ChildOf place, const LlamaConfig& config, Precision precision,
                   RowsOfOne gate_and_up)
    : Module(std::move(place)),
      gate_proj({*this, "gate_proj"}, gate_and_up.next(config.intermediate_size), bias_of(config),
                precision),
      up_proj({*this, "up_proj"}, gate_and_up.next(config.intermediate_size), bias_of(config),
              precision),
      down_proj({*this, "down_proj"}, config.intermediate_size, config.hidden_size, bias_of(config),
                precision),
      precision_(precision) {}

Tensor LlamaMlp::forward(const Tensor& x) const {
  const auto scope = enter();
  return down_proj.forward(gated(x));
}

Tensor LlamaMlp::hidden(const Tensor& x) const {
  const auto scope = enter();
  return gated(x);
}

// Gate and up read one input: one product.
Tensor LlamaMlp::gated(const Tensor& x) const {
  const auto both = linear_joint(x, {gate_proj.weight, up_proj.weight},
                                 {gate_proj.bias, up_proj.bias}, precision_.products);
  return silu_mul(both, precision_.products);
}

}  // namespace lookback
