#include "apps/train/train_step.h"

#include <algorithm>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/copy_of.h"

namespace lookback {

TrainStep::TrainStep(const Llama& model, AdamW& adamw, const ForwardOptions& forward_options,
                     double max_gradient_norm, Repetition how)
    : llama(model),
      optimizer(adamw),
      forward(forward_options),
      max_norm(max_gradient_norm),
      parameters(model.parameters()),
      may_capture(how == Repetition::captured && model.model.hooks(forward_options).capturable()),
      norm_so_far(zeros({}, DType::f64, parameters.at(0).tensor.device())) {}

StepResults TrainStep::take(const std::vector<TokenBatch>& batches, double learning_rate,
                            const std::function<void(const StepResults&)>& before_update) {
  if (!fill_inputs(batches)) captured = nullptr;
  if (!warm || before_update || !may_capture) {
    warm = true;
    return queue(batches, learning_rate, before_update);
  }
  if (captured == nullptr) try_to_capture(batches);
  if (captured == nullptr) return queue(batches, learning_rate, {});
  auto results = expected_results(batches);
  optimizer.begin_step(learning_rate, results.loss_scale);
  if (!launch()) {
    results = queue_gradients(llama, batches, inputs, forward);
    queue_update(results);
    return results;
  }
  for (const auto& parameter : parameters) parameter.tensor.storage()->bump_version();
  results.numbers = copy_of(captured_numbers);
  return results;
}

// Whether they have the shapes of the last ones, and so lie where those lay.
bool TrainStep::fill_inputs(const std::vector<TokenBatch>& batches) {
  const bool same =
      std::ranges::equal(batches, inputs, [](const TokenBatch& batch, const TokenTensors& tensors) {
        return tensors.ids.shape() == Shape{batch.rows, batch.columns};
      });
  if (!same) {
    inputs.clear();
    for (const auto& batch : batches) inputs.push_back(token_tensors(batch));
    return false;
  }
  for (std::size_t i = 0; i < batches.size(); ++i) set_tokens(inputs[i], batches[i]);
  return true;
}

StepResults TrainStep::queue(const std::vector<TokenBatch>& batches, double learning_rate,
                             const std::function<void(const StepResults&)>& before_update) {
  const auto results = queue_gradients(llama, batches, inputs, forward);
  if (before_update) before_update(results);
  optimizer.begin_step(learning_rate, results.loss_scale);
  queue_update(results);
  return results;
}

void TrainStep::queue_update(const StepResults& results) {
  const NoGrad no_grad;
  const auto norm = results.grad_norm + affine(norm_so_far, 0, 0);
  copy_into(norm, norm_so_far);
  optimizer.update(max_norm, norm_so_far);
  clear_gradients(parameters);
}

// A capture has memory of its own: a GPU that has no room for it goes on without.
void TrainStep::try_to_capture(const std::vector<TokenBatch>& batches) {
  try {
    captured = capture(norm_so_far.device(), [&] {
      const auto results = queue_gradients(llama, batches, inputs, forward);
      queue_update(results);
      captured_numbers = results.numbers;
    });
  } catch (const OutOfMemory& error) {
    clear_gradients(parameters);
    continue_queued(error);
  }
  may_capture = may_capture && captured != nullptr;
}

// False, with nothing queued, where the GPU has no room for what it would run.
bool TrainStep::launch() {
  try {
    captured->launch();
    return true;
  } catch (const OutOfMemory& error) {
    continue_queued(error);
    return false;
  }
}

void TrainStep::continue_queued(const OutOfMemory& error) {
  captured = nullptr;
  captured_numbers = {};
  may_capture = false;
  no_capture = error.what();
}

}  // namespace lookback
