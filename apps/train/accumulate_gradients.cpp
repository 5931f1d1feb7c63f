#include "apps/train/accumulate_gradients.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/stack.h"
#include "autograd/ops/to_vector.h"
#include "nn/adamw.h"
#include "nn/gradient_lanes.h"

namespace lookback {
namespace {

double mean_targets(const std::vector<TokenBatch>& micro_batches) {
  double targets = 0;
  for (const auto& each : micro_batches) targets += static_cast<double>(each.scored());
  return targets / static_cast<double>(micro_batches.size());
}

double share_of(std::int64_t targets) {
  return 1.0 / static_cast<double>(std::max<std::int64_t>(targets, 1));
}

// What the mean over a micro-batch's sequences weighs in the sum over all targets: its share of the
// tokens fed in times those.
double auxiliary_weight(const TokenBatch& batch, const StepResults& all) {
  return static_cast<double>(batch.rows * batch.columns * all.targets) /
         static_cast<double>(std::max<std::int64_t>(all.tokens, 1));
}

// What a lane, or several that are joined, adds up to, in f64.
struct LaneNumbers {
  Tensor loss_sum, correct;  // []
  Tensor auxiliary;          // []; undefined: the model has no such loss
};

void add_to(Tensor& sum, const Tensor& x) {
  const NoGrad no_grad;
  const auto term = cast(x, DType::f64);
  sum = sum.defined() ? sum + term : term;
}

LaneNumbers joined(LaneNumbers left, const LaneNumbers& right) {
  add_to(left.loss_sum, right.loss_sum);
  add_to(left.correct, right.correct);
  if (right.auxiliary.defined()) add_to(left.auxiliary, right.auxiliary);
  return left;
}

std::vector<Tensor> in_one_list(const LaneNumbers& numbers) {
  if (!numbers.auxiliary.defined()) return {numbers.loss_sum, numbers.correct};
  return {numbers.loss_sum, numbers.correct, numbers.auxiliary};
}

// The sums of a step as its micro-batches come.
class StepSums {
 public:
  StepSums(const Llama& llama, GradientExchange* exchange)
      : parameters_(llama.parameters()), gradients_(parameters_), exchange_(exchange) {}
  ~StepSums() { send_as_they_come({}); }
  StepSums(const StepSums&) = delete;
  StepSums& operator=(const StepSums&) = delete;

  // Of the lane that the last micro-batches belong to; its gradients are with the parameters.
  LaneNumbers& numbers() { return numbers_; }
  void end_lane() {
    gradients_.end_lane();
    sums_.add(std::exchange(numbers_, {}), joined);
  }
  // Before the last backward pass of all: gradients leave for the other ranks while it goes on.
  void begin_last() {
    if (exchange_ == nullptr) return;
    send_as_they_come([this](std::size_t parameter) {
      gradients_.close(parameter);
      exchange_->send(parameter);
    });
  }
  // The parameters then hold the gradients of all lanes, of several ranks each its part of them.
  std::vector<Tensor> close() {
    gradients_.close();
    sums_.add(std::exchange(numbers_, {}), joined);
    const auto numbers = in_one_list(sums_.total(joined));
    if (exchange_ == nullptr) return numbers;
    exchange_->finish_sums();
    return exchange_->sum(numbers);
  }

 private:
  void send_as_they_come(const std::function<void(std::size_t)>& send) {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      on_collected(parameters_[i].tensor, send ? [send, i] { send(i); } : std::function<void()>());
    }
  }

  std::vector<NamedParameter> parameters_;
  GradientLanes gradients_;
  GradientExchange* exchange_;
  LaneNumbers numbers_;
  BinaryCounter<LaneNumbers> sums_;
};

}  // namespace

bool StepMeasures::finite() const { return std::isfinite(loss) && std::isfinite(grad_norm); }

StepMeasures StepResults::read() const {
  const auto values = to_vector(numbers);
  return {
      .loss = values[0] * loss_scale,
      .auxiliary_loss = values.size() > 3 ? std::optional(values[2] * loss_scale) : std::nullopt,
      .grad_norm = values.back() * loss_scale,
      .loss_scale = loss_scale,
      .tokens = tokens,
      .targets = targets,
      .correct = static_cast<std::int64_t>(values[1])};
}

StepMeasures accumulate_gradients(const Llama& llama, const std::vector<TokenBatch>& micro_batches,
                                  const ForwardOptions& forward, const StepLanes& lanes) {
  std::vector<TokenTensors> inputs;
  for (const auto& batch : micro_batches) inputs.push_back(token_tensors(batch));
  return queue_gradients(llama, micro_batches, inputs, forward, lanes).read();
}

StepResults queue_gradients(const Llama& llama, const std::vector<TokenBatch>& micro_batches,
                            const std::vector<TokenTensors>& inputs, const ForwardOptions& forward,
                            const StepLanes& lanes) {
  const auto& hooks = llama.model.hooks(forward);
  const auto expected = expected_results(micro_batches);
  auto result = expected;
  result.targets = 0;
  StepSums sums(llama, lanes.exchange);
  const TokenBatch* last = nullptr;
  std::int64_t left = std::ranges::count_if(
      micro_batches, [&](const TokenBatch& batch) { return lanes.is_own(batch); });
  for (std::size_t i = 0; i < micro_batches.size(); ++i) {
    const auto& batch = micro_batches[i];
    if (!lanes.is_own(batch)) {
      result.targets += batch.scored();
      continue;
    }
    if (last != nullptr && lanes.lane_of(batch) != lanes.lane_of(*last)) sums.end_lane();
    last = &batch;
    const auto loss =
        llama.loss(inputs[i].ids, inputs[i].targets, {.count_correct = true}, forward);
    const auto sum = hooks.micro_batch_loss(loss.loss_sum, static_cast<double>(batch.scored()),
                                            mean_targets(micro_batches));
    auto& numbers = sums.numbers();
    add_to(numbers.loss_sum, sum);
    add_to(numbers.correct, loss.correct);
    result.targets += hooks.targets_counted(batch.scored(), loss);
    const auto weight = auxiliary_weight(batch, expected);
    if (loss.auxiliary.defined()) add_to(numbers.auxiliary, loss.auxiliary.detach() * weight);
    if (--left == 0) sums.begin_last();
    backward(with_auxiliary(sum, loss, weight));
  }
  auto numbers = sums.close();
  hooks.after_backward(llama.parameters());
  result.loss_scale = share_of(result.targets);
  result.grad_norm =
      lanes.exchange != nullptr ? lanes.exchange->norm() : gradient_norm_tensor(llama.parameters());
  numbers.push_back(result.grad_norm);
  const NoGrad no_grad;
  result.numbers = stack(numbers, 0);
  return result;
}

StepResults expected_results(const std::vector<TokenBatch>& micro_batches) {
  StepResults result;
  for (const auto& batch : micro_batches) {
    result.targets += batch.scored();
    result.tokens += batch.rows * batch.columns;
  }
  result.loss_scale = share_of(result.targets);
  return result;
}

std::vector<NamedParameter> optimized_parameters(const Llama& llama) {
  return llama.model.hooks().optimized(llama.parameters());
}

double learning_rate_at(const Llama& llama, const Schedule& schedule, std::int64_t step) {
  return llama.model.hooks().learning_rate(schedule.learning_rate(step));
}

}  // namespace lookback
