#pragma once

#include "autograd/ops/linear_joint.h"
#include "nn/layer/config.h"
#include "nn/linear.h"

namespace lookback {

// SwiGLU (Shazeer 2020): down(silu(gate(x)) * up(x)). [B, T, D] -> [B, T, D].
class LlamaMlp final : public Module {
 public:
  LlamaMlp(ChildOf place, const LlamaConfig& config, Precision precision);
  Tensor forward(const Tensor& x) const;
  // What goes into down_proj, [B, T, F].
  Tensor hidden(const Tensor& x) const;

  Linear gate_proj, up_proj, down_proj;

 private:
  LlamaMlp(ChildOf place, const LlamaConfig& config, Precision precision, RowsOfOne gate_and_up);
  Tensor gated(const Tensor& x) const;

  Precision precision_;
};

}  // namespace lookback
