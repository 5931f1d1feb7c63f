#include "apps/train/train_step.h"

#include <algorithm>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/copy_of.h"

namespace lookback {
namespace {

std::vector<Tensor> tensors_of(const std::vector<NamedParameter>& parameters) {
  std::vector<Tensor> tensors;
  for (const auto& parameter : parameters) tensors.push_back(parameter.tensor);
  return tensors;
}

}  // namespace

TrainStep::TrainStep(const Llama& model, AdamW& optimizer, const ForwardOptions& forward,
                     double max_norm, Repetition how, const StepLanes& lanes)
    : llama_(model),
      optimizer_(optimizer),
      forward_(forward),
      max_norm_(max_norm),
      lanes_(lanes),
      parameters_(model.parameters()),
      rounded_(tensors_of(parameters_)),
      may_capture_(how == Repetition::captured && lanes.exchange == nullptr &&
                   model.model.hooks(forward).capturable()),
      norm_so_far_(zeros({}, DType::f64, parameters_.at(0).tensor.device())) {}

StepResults TrainStep::take(const std::vector<TokenBatch>& batches, double learning_rate,
                            const BeforeUpdate& before_update) {
  const RoundedWeights::Use in_use(rounded_);
  if (!fill_inputs(batches)) captured_ = nullptr;
  if (!warm_ || before_update || !may_capture_) {
    warm_ = true;
    return queue(batches, learning_rate, before_update);
  }
  if (captured_ == nullptr) try_to_capture(batches);
  if (captured_ == nullptr) return queue(batches, learning_rate, {});
  auto results = expected_results(batches);
  optimizer_.begin_step(learning_rate, results.loss_scale);
  rounded_.refresh();  // where others have written weights since
  if (!launch()) {
    results = queue_gradients(llama_, batches, inputs_, forward_, lanes_);
    queue_update(results);
    return results;
  }
  for (const auto& parameter : parameters_) parameter.tensor.storage()->bump_version();
  rounded_.take_as_written();
  results.numbers = copy_of(captured_numbers_);
  return results;
}

// Whether they have the shapes of the last ones, and so lie where those lay.
bool TrainStep::fill_inputs(const std::vector<TokenBatch>& batches) {
  const bool same = std::ranges::equal(
      batches, inputs_, [](const TokenBatch& batch, const TokenTensors& tensors) {
        return tensors.ids.shape() == Shape{batch.rows, batch.columns};
      });
  if (!same) {
    inputs_.clear();
    for (const auto& batch : batches) inputs_.push_back(token_tensors(batch));
    return false;
  }
  for (std::size_t i = 0; i < batches.size(); ++i) set_tokens(inputs_[i], batches[i]);
  return true;
}

StepResults TrainStep::queue(const std::vector<TokenBatch>& batches, double learning_rate,
                             const BeforeUpdate& before_update) {
  const auto results = queue_gradients(llama_, batches, inputs_, forward_, lanes_);
  if (before_update && before_update(results) == Update::left_out) {
    clear_gradients(parameters_);
    return results;
  }
  optimizer_.begin_step(learning_rate, results.loss_scale);
  queue_update(results);
  return results;
}

void TrainStep::queue_update(const StepResults& results) {
  const NoGrad no_grad;
  const auto norm = results.grad_norm + affine(norm_so_far_, 0, 0);
  copy_into(norm, norm_so_far_);
  optimizer_.update(max_norm_, norm_so_far_);
  if (lanes_.exchange != nullptr) lanes_.exchange->share_weights();
  clear_gradients(parameters_);
}

// A capture has memory of its own: a GPU that has no room for it goes on without.
void TrainStep::try_to_capture(const std::vector<TokenBatch>& batches) {
  try {
    captured_ = capture(norm_so_far_.device(), [&] {
      const auto results = queue_gradients(llama_, batches, inputs_, forward_, lanes_);
      queue_update(results);
      captured_numbers_ = results.numbers;
    });
  } catch (const OutOfMemory& error) {
    clear_gradients(parameters_);
    continue_queued(error);
  }
  may_capture_ = may_capture_ && captured_ != nullptr;
}

// False, with nothing queued, where the GPU has no room for what it would run.
bool TrainStep::launch() {
  try {
    captured_->launch();
    return true;
  } catch (const OutOfMemory& error) {
    continue_queued(error);
    return false;
  }
}

void TrainStep::continue_queued(const OutOfMemory& error) {
  captured_ = nullptr;
  captured_numbers_ = {};
  may_capture_ = false;
  no_capture_ = error.what();
}

}  // namespace lookback
