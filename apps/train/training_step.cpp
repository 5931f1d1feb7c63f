#include "apps/train/training_step.h"

#include <algorithm>
#include <cmath>

#include "apps/train/token_tensors.h"
#include "autograd/gradient.h"
#include "nn/adamw.h"

namespace lookback {
bool StepMeasures::finite() const { return std::isfinite(loss) && std::isfinite(grad_norm); }

StepMeasures accumulate_gradients(const Llama& llama, const std::vector<TokenBatch>& micro_batches,
                                  const ForwardOptions& forward) {
  StepMeasures result;
  for (const auto& batch : micro_batches) {
    result.targets += batch.scored();
    result.tokens += batch.rows * batch.columns;
  }
  result.gradient_share = 1.0 / static_cast<double>(std::max<std::int64_t>(result.targets, 1));
  double loss_sum = 0;
  for (const auto& batch : micro_batches) {
    const auto [ids, targets] = token_tensors(batch);
    const auto loss = llama.loss(ids, targets, {.count_correct = true}, forward);
    loss_sum += loss.loss_sum.item();
    result.correct += static_cast<std::int64_t>(loss.correct.item());
    backward(loss.loss_sum);
  }
  result.loss = loss_sum * result.gradient_share;
  result.grad_norm = gradient_norm(llama.parameters()) * result.gradient_share;
  return result;
}

}  // namespace lookback
