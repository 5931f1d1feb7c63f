#include "apps/bench/train_step.h"

#include <chrono>

#include "apps/model/record_choice.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

ForwardOptions forward_options(const Llama& llama, const BenchOptions& options) {
  return training_pass(
      options.record, llama, options.batch_size, options.block_size,
      options.gradient_checkpointing ? Activations::recomputed : Activations::kept);
}

TokenBatch random_batch(std::int64_t rows, std::int64_t columns, std::int64_t vocabulary,
                        std::uint64_t seed) {
  return {.rows = rows,
          .columns = columns,
          .inputs = random_tokens(rows * columns, vocabulary, seed),
          .targets = random_tokens(rows * columns, vocabulary, ~seed)};
}

}  // namespace

BenchStep::BenchStep(const Llama& model, const BenchOptions& options, Repetition how)
    : llama(model),
      batch_size(options.batch_size),
      block_size(options.block_size),
      optimizer(model.parameters(), {}),
      step(model, optimizer, forward_options(model, options), 1, how) {}

double BenchStep::run(std::uint64_t seed) {
  const auto batch = random_batch(batch_size, block_size, llama.config.vocab_size, seed);
  const auto start = std::chrono::steady_clock::now();
  step.take({batch}, 1e-4);
  synchronise(llama.model.norm.weight.device());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace lookback
