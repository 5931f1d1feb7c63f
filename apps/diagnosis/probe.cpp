#include "apps/diagnosis/probe.h"

#include <numeric>

#include "apps/train/accumulate_gradients.h"
#include "nn/adamw.h"
#include "nn/schedule.h"

namespace lookback {
namespace {

double floor_of(const TokenSource& source, const TokenBatch& batch) {
  if (!source.has_floor()) return 0;
  const auto nats = source.nats(batch);
  const auto scored = static_cast<double>(std::max<std::int64_t>(batch.scored(), 1));
  return std::accumulate(nats.begin(), nats.end(), 0.0) / scored;
}

}  // namespace

std::vector<ProbeStep> train_probe(const Llama& llama, const TokenSource& source,
                                   const ProbePlan& plan,
                                   const std::function<Probe(const ProbeStep&)>& on_step) {
  const auto parameters = llama.parameters();
  const Schedule schedule{.kind = ScheduleKind::constant,
                          .peak = plan.learning_rate,
                          .warmup_steps = 0,
                          .total_steps = plan.steps};
  AdamW optimizer(optimized_parameters(llama), {});
  ForwardOptions forward;
  if (!llama.config.fault.empty()) forward.attention = AttentionPath::explicit_weights;
  std::vector<ProbeStep> steps;
  for (std::int64_t step = 0; step < plan.steps; ++step) {
    const auto batch = source.training_batch(step, 0, plan.batch_size, plan.block_size);
    const auto measures = accumulate_gradients(llama, {batch}, forward);
    const auto targets = static_cast<double>(std::max<std::int64_t>(measures.targets, 1));
    steps.push_back({.step = step + 1,
                     .loss = measures.loss,
                     .accuracy = static_cast<double>(measures.correct) / targets,
                     .floor = floor_of(source, batch),
                     .grad_norm = measures.grad_norm});
    if (!measures.finite() || (on_step && on_step(steps.back()) == Probe::stop)) break;
    optimizer.step(learning_rate_at(llama, schedule, step),
                   clipping_factor(measures.grad_norm, 1.0) * measures.loss_scale);
    clear_gradients(parameters);
  }
  clear_gradients(parameters);
  return steps;
}

}  // namespace lookback
