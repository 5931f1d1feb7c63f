// The second opinion: a whole model, written out in plain loops over doubles, from config.json and
// weights to logits and loss. No kernels, no modules, no automatic differentiation; every T x T
// matrix is made. What it computes is docs/variants.md and docs/mechanisms.md.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/diagnosis/reference/attention.h"
#include "apps/diagnosis/reference/config.h"
#include "apps/diagnosis/reference/weights.h"

namespace lookback::reference {

// One sequence through the model.
struct Run {
  Matrix logits;               // [T, V]
  std::vector<Matrix> hidden;  // the input of each layer [T, D], and what the last one hands on
  std::vector<Look> looks;     // of each layer
  // Of each layer, its own [T, D]: what its attention and its MLP said.
  std::vector<Matrix> attention_outputs, mlp_outputs;
  // The routers' losses times their coefficients, the mean over the layers that have a router.
  double auxiliary_loss = 0;
};
Run run(const Config& config, const Weights& weights, const std::vector<std::int64_t>& tokens);

// The sum of -log softmax(logits[t])[targets[t]], in nats, over the targets that are not negative.
double sum_of_losses(const Run& run, const std::vector<std::int64_t>& targets);

}  // namespace lookback::reference
