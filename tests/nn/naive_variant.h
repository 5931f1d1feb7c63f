// The variants as they are defined, and nothing more: explicit weights with a mask, every earlier
// layer run again one by one, from plain operations on named parameters. What the product does in
// another order, folded and in tiles, must agree with it. Faults are left out.
#pragma once

#include "tests/nn/variants.h"

namespace lookback::testing {

struct NaiveRun {
  Tensor logits;                          // [B, T, V]
  std::vector<Tensor> attention_weights;  // per layer [B, H, T, T]
  std::vector<Tensor> hidden_states;      // the input of each layer, then the output of the last
};

NaiveRun naive_forward(const LlamaConfig& config, const ParametersByName& parameters,
                       const Tensor& ids);

}  // namespace lookback::testing
