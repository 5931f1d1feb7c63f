#include "apps/train/trainer.h"

#include "apps/train/document_separation.h"

namespace lookback {

Schedule schedule_of(const TrainOptions& options) {
  return {.kind = options.lr_scheduler_type,
          .peak = options.learning_rate,
          .warmup_steps = *options.warmup_steps,
          .total_steps = *options.max_steps,
          .minimum_ratio = options.min_learning_rate_ratio,
          .decay_steps = options.decay_steps.value_or(0)};
}

ForwardOptions forward_options_of(const TrainOptions& options, const Llama& llama) {
  return training_pass(
      options.attention_storage, llama, options.batch_size, options.block_size,
      options.gradient_checkpointing ? Activations::recomputed : Activations::kept);
}

Trainer::Trainer(const Llama& model, const TrainOptions& options, const ForwardOptions& forward)
    : llama_(model),
      options_(options),
      optimizer_(optimized_parameters(model), adamw_options(options)),
      step_(model, optimizer_, forward, options_.max_grad_norm,
            // Batches of another shape in each step cannot be captured, and no kernel of a
            // captured step is seen.
            options_.no_cuda_graphs || options_.no_cross_document_attention ||
                    !options_.profile_steps.empty()
                ? Repetition::queued
                : Repetition::captured) {}

double Trainer::learning_rate(std::int64_t step) const {
  return learning_rate_at(llama_, schedule_of(options_), step);
}

std::vector<TokenBatch> Trainer::micro_batches(const TokenSource& training,
                                               std::int64_t step) const {
  std::vector<TokenBatch> batches;
  const auto rows = options_.batch_size, columns = options_.block_size;
  for (std::int64_t i = 0; i < options_.gradient_accumulation_steps; ++i) {
    if (!options_.no_cross_document_attention) {
      batches.push_back(training.training_batch(step, i, rows, columns));
      continue;
    }
    for (auto& part : DocumentSeparation(llama_).training(training, step, i, rows, columns))
      batches.push_back(std::move(part.batch));
  }
  return batches;
}

StepResults Trainer::take(std::int64_t step, const std::vector<TokenBatch>& batches,
                          const BeforeUpdate& before_update) {
  return step_.take(batches, learning_rate(step), before_update);
}

}  // namespace lookback
