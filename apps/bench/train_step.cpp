#include "apps/bench/train_step.h"

#include <chrono>

#include "runtime/device_runtime.h"

namespace lookback {
namespace {

ForwardOptions forward_options_of(const Llama& llama, const BenchOptions& options) {
  return training_pass(
      options.attention_storage, llama, options.batch_size, options.block_size,
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
    : llama_(model),
      batch_size_(options.batch_size),
      block_size_(options.block_size),
      optimizer_(model.parameters(), {}),
      step_(model, optimizer_, forward_options_of(model, options), 1, how) {}

double BenchStep::run(std::uint64_t seed) {
  const auto batch = random_batch(batch_size_, block_size_, llama_.config.vocab_size, seed);
  const auto start = std::chrono::steady_clock::now();
  step_.take({batch}, 1e-4);
  synchronize(llama_.model.norm.weight.device());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

MeasuredSteps measure_steps(const Llama& llama, const BenchOptions& options,
                            const Session& session) {
  constexpr std::int64_t warm_up_steps = 3;
  BenchStep step(llama, options,
                 options.no_cuda_graphs ? Repetition::queued : Repetition::captured);
  MeasuredSteps measured;
  for (std::int64_t i = 0; i < options.steps + warm_up_steps; ++i) {
    const double seconds = step.run(session.seed + static_cast<std::uint64_t>(i));
    if (i == 1) measured.second_step_seconds = seconds;
    if (i >= warm_up_steps) measured.seconds.push_back(seconds);
  }
  measured.captured = step.train_step().is_captured();
  if (const auto& reason = step.train_step().why_not_captured(); !reason.empty()) {
    session.console.note("queued kernel by kernel: no room for a capture: " + reason);
  }
  return measured;
}

}  // namespace lookback
