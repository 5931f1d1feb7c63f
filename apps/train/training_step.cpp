#include "apps/train/training_step.h"

#include <algorithm>
#include <cmath>

#include "apps/train/token_tensors.h"
#include "autograd/gradient.h"
#include "autograd/ops/multiply.h"
#include "nn/adamw.h"

namespace lookback {
namespace {

double factor_of(const FaultInjection& fault, const TokenBatch& batch,
                 const std::vector<TokenBatch>& micro_batches) {
  double targets = 0;
  for (const auto& each : micro_batches) targets += static_cast<double>(each.scored());
  return fault.micro_batch_factor(static_cast<double>(batch.scored()),
                                  targets / static_cast<double>(micro_batches.size()));
}

}  // namespace

bool StepMeasures::finite() const { return std::isfinite(loss) && std::isfinite(grad_norm); }

StepMeasures StepResults::read() const {
  StepMeasures measures{.gradient_share = gradient_share, .tokens = tokens, .targets = targets};
  for (const auto& loss_sum : loss_sums) measures.loss += loss_sum.item();
  for (const auto& count : correct) measures.correct += static_cast<std::int64_t>(count.item());
  measures.loss *= gradient_share;
  measures.grad_norm = grad_norm.item() * gradient_share;
  return measures;
}

StepMeasures accumulate_gradients(const Llama& llama, const std::vector<TokenBatch>& micro_batches,
                                  const ForwardOptions& forward) {
  return queue_gradients(llama, micro_batches, forward).read();
}

StepResults queue_gradients(const Llama& llama, const std::vector<TokenBatch>& micro_batches,
                            const ForwardOptions& forward) {
  StepResults result;
  const auto* fault = llama.model.fault();
  for (const auto& batch : micro_batches) {
    const auto [ids, targets] = token_tensors(batch);
    const auto loss = llama.loss(ids, targets, {.count_correct = true}, forward);
    const auto sum =
        fault == nullptr ? loss.loss_sum : loss.loss_sum * factor_of(*fault, batch, micro_batches);
    result.loss_sums.push_back(sum.detach());
    result.correct.push_back(loss.correct);
    // A fault may ask for other targets than the batch's.
    result.targets +=
        fault == nullptr ? batch.scored() : static_cast<std::int64_t>(loss.count.item());
    result.tokens += batch.rows * batch.columns;
    backward(sum);
  }
  if (fault != nullptr) fault->after_backward(llama.parameters());
  result.gradient_share = 1.0 / static_cast<double>(std::max<std::int64_t>(result.targets, 1));
  result.grad_norm = gradient_norm_tensor(llama.parameters());
  return result;
}

std::vector<NamedParameter> optimised_parameters(const Llama& llama) {
  const auto* fault = llama.model.fault();
  return fault == nullptr ? llama.parameters() : fault->optimised(llama.parameters());
}

double learning_rate_at(const Llama& llama, const Schedule& schedule, std::int64_t step) {
  const double rate = schedule.learning_rate(step);
  const auto* fault = llama.model.fault();
  return fault == nullptr ? rate : fault->learning_rate(rate);
}

}  // namespace lookback
