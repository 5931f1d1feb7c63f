#include "nn/llama/mlp.h"

#include "autograd/ops/silu_mul.h"

namespace lookback {
namespace {

Bias bias_of(const LlamaConfig& config) { return config.mlp_bias ? Bias::learned : Bias::none; }

}  // namespace

LlamaMlp::LlamaMlp(const LlamaConfig& config, Precision precision)
    : gate_proj(config.hidden_size, config.intermediate_size, bias_of(config), precision),
      up_proj(config.hidden_size, config.intermediate_size, bias_of(config), precision),
      down_proj(config.intermediate_size, config.hidden_size, bias_of(config), precision) {
  register_module("gate_proj", gate_proj);
  register_module("up_proj", up_proj);
  register_module("down_proj", down_proj);
}

Tensor LlamaMlp::forward(const Tensor& x) const {
  const auto scope = enter();
  return down_proj.forward(silu_mul(gate_proj.forward(x), up_proj.forward(x)));
}

Tensor LlamaMlp::hidden(const Tensor& x) const {
  const auto scope = enter();
  return silu_mul(gate_proj.forward(x), up_proj.forward(x));
}

}  // namespace lookback
