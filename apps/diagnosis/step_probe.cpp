#include "apps/diagnosis/step_probe.h"

#include <algorithm>
#include <cmath>

#include "apps/diagnosis/recorded_steps.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/train/trainer.h"
#include "autograd/gradient.h"

namespace lookback {
StepProbe probe_step(const Subject& subject) {
  const auto llama = subject.model(DType::f64);
  const auto options = planned_options(subject);
  const auto measures = accumulate_gradients(*llama, {subject.batch()}, subject.forward());
  const auto schedule = schedule_of(options);
  const auto peak = std::min(schedule.warmup_steps, schedule.total_steps - 1);
  StepProbe probe{.parameters = {},
                  .learning_rate = learning_rate_at(*llama, schedule, peak),
                  .loss = measures.loss,
                  .targets = measures.targets};
  const auto all = llama->parameters();
  const auto optimized = optimized_parameters(*llama);
  std::vector<std::vector<double>> before;
  for (const auto& [name, tensor, initial] : all) {
    before.push_back(to_vector(tensor));
    const bool given = std::ranges::count(optimized, name, &NamedParameter::name) > 0;
    probe.parameters.push_back({.name = name,
                                .gradient = largest_number(gradient(tensor)) * measures.loss_scale,
                                .optimized = given});
  }
  AdamW(optimized, adamw_options(options))
      .step(probe.learning_rate,
            clipping_factor(measures.grad_norm, options.max_grad_norm) * measures.loss_scale);
  double squares = 0, squared_changes = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto after = to_vector(all[i].tensor);
    probe.parameters[i].changed = after != before[i];
    for (std::size_t k = 0; all[i].tensor.rank() > 1 && k < after.size(); ++k) {
      const double change = after[k] - before[i][k];
      squares += before[i][k] * before[i][k];
      squared_changes += change * change;
    }
  }
  probe.matrices = std::sqrt(squares);
  probe.moved = std::sqrt(squared_changes);
  return probe;
}

}  // namespace lookback
