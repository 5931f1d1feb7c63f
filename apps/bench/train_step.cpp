#include "apps/bench/train_step.h"

#include <chrono>

#include "apps/model/record_choice.h"
#include "autograd/gradient.h"
#include "autograd/ops/cross_entropy.h"
#include "runtime/device_runtime.h"

namespace lookback {

BenchStep::BenchStep(const Llama& model, const BenchOptions& options)
    : llama(model),
      batch_size(options.batch_size),
      block_size(options.block_size),
      forward(recording(options.record, model, batch_size, block_size,
                        options.gradient_checkpointing ? Gradients::none : Gradients::wanted)),
      parameters(model.parameters()),
      optimizer(parameters, {}) {
  if (options.gradient_checkpointing) forward.activations = Activations::recomputed;
}

double BenchStep::run(std::uint64_t seed) {
  const auto ids = random_tokens(batch_size, block_size, llama.config.vocab_size, seed);
  const auto targets = next_token_targets(ids);
  const auto start = std::chrono::steady_clock::now();
  const auto loss = llama.loss(ids, targets, {}, forward);
  backward(loss.loss_sum);
  const double share = 1 / static_cast<double>(batch_size * (block_size - 1));
  optimizer.step(1e-4, {.scale = share, .max_norm = 1, .norm = gradient_norm_tensor(parameters)});
  clear_gradients(parameters);
  synchronise(ids.device());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace lookback
