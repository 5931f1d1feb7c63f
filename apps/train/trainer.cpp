#include "apps/train/trainer.h"

#include "apps/train/document_separation.h"

namespace lookback {
namespace {

AdamW optimizer_of(const Llama& model, const TrainOptions& options,
                   const GradientExchange* exchange) {
  auto parameters = optimized_parameters(model);
  if (exchange == nullptr) return {std::move(parameters), adamw_options(options)};
  return {std::move(parameters), adamw_options(options), exchange->own()};
}

StepLanes lanes_over(const TrainOptions& options, GradientExchange* exchange) {
  auto lanes = lanes_of(options);
  if (exchange == nullptr) return lanes;
  lanes.rank = exchange->rank();
  lanes.ranks = exchange->ranks();
  lanes.exchange = exchange;
  return lanes;
}

}  // namespace

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

Trainer::Trainer(const Llama& model, const TrainOptions& options, const ForwardOptions& forward,
                 GradientExchange* exchange)
    : llama_(model),
      options_(options),
      exchange_(exchange),
      optimizer_(optimizer_of(model, options, exchange)),
      step_(model, optimizer_, forward, options_.max_grad_norm,
            // Batches of another shape in each step cannot be captured, and no kernel of a
            // captured step is seen.
            options_.no_cuda_graphs || options_.no_cross_document_attention ||
                    !options_.profile_steps.empty()
                ? Repetition::queued
                : Repetition::captured,
            lanes_over(options_, exchange)) {}

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
      batches.back().micro_batch = i;
      continue;
    }
    for (auto& part : DocumentSeparation(llama_).training(training, step, i, rows, columns)) {
      batches.push_back(std::move(part.batch));
      batches.back().micro_batch = i;
    }
  }
  return batches;
}

StepResults Trainer::take(std::int64_t step, const std::vector<TokenBatch>& batches,
                          const BeforeUpdate& before_update) {
  return step_.take(batches, learning_rate(step), before_update);
}

std::vector<AdamW::State> Trainer::whole_moments() const {
  return exchange_ == nullptr ? optimizer_.states() : exchange_->gather(optimizer_);
}

void Trainer::load_moments(const FoundCheckpoint& checkpoint, std::int64_t updates_left_out) {
  if (exchange_ == nullptr) {
    lookback::load_moments(checkpoint, optimizer_.states(), updates_left_out);
  } else {
    const auto whole = exchange_->whole_moments();
    if (exchange_->rank() == 0) lookback::load_moments(checkpoint, whole, updates_left_out);
    exchange_->scatter(whole, optimizer_);
  }
  optimizer_.resume_after(checkpoint.step - updates_left_out);
}

}  // namespace lookback
