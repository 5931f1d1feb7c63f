#include "autograd/checkpoint.h"

#include <unordered_set>
#include <utility>

#include "autograd/engine.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/record.h"
#include "runtime/scoped_value.h"

namespace lookback {
namespace {

// The parameters that a checkpointed function reads in its first run on this thread, in the order
// in which it meets them. Where checkpoints nest, the outer function reads what the inner one
// reads.
class FirstRun {
 public:
  FirstRun() : running_(innermost, this) {}

  static FirstRun* current() { return innermost; }
  void meet(const Tensor& parameter) {
    for (auto* run = this; run != nullptr; run = run->running_.previous()) {
      if (run->met_.insert(gradient_state(parameter)).second) run->parameters_.push_back(parameter);
    }
  }
  const std::vector<Tensor>& read() const { return parameters_; }

 private:
  static inline thread_local FirstRun* innermost = nullptr;
  ScopedValue<FirstRun*> running_;  // previous(): the run that this one is part of
  std::unordered_set<const GradientState*> met_;
  std::vector<Tensor> parameters_;
};

// Its inputs are those of the function, then the parameters that the function reads: so the pass
// that runs this node knows which leaves are not complete before it.
struct CheckpointBackward {
  static constexpr std::string_view name = "checkpoint";
  CheckpointedFunction fn;
  std::vector<SavedTensor> inputs;
  std::size_t parameters;

  std::vector<Tensor> operator()(std::span<const Tensor> output_gradients, Needed needed) const {
    std::vector<Tensor> stand_ins;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto saved = inputs[i].get();
      stand_ins.push_back(saved.defined() ? saved.detach() : Tensor{});
      if (needed[i]) set_requires_grad(stand_ins.back());
    }
    const EnableGrad enable;
    backward_within(fn(stand_ins), output_gradients, stand_ins);
    // All gradients have reached their places.
    return std::vector<Tensor>(inputs.size() + parameters);
  }
};

}  // namespace

void check_checkpoint_input(std::string_view operation, const Tensor& input) {
  auto* run = FirstRun::current();
  if (run == nullptr) return;
  const auto* state = gradient_state(input);
  if (state == nullptr || !state->requires_grad) return;
  if (state->is_parameter) return run->meet(input);
  fail("checkpoint",
       "{} inside the checkpointed function reads a tensor {} that requires a gradient and is "
       "neither an input nor a parameter: pass it as an input",
       operation, input.shape());
}

std::vector<Tensor> checkpoint(const CheckpointedFunction& fn, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> detached;
  for (const auto& input : inputs) {
    check_checkpoint_input(CheckpointBackward::name, input);
    detached.push_back(input.defined() ? input.detach() : input);
  }
  std::vector<Tensor> outputs;
  auto sources = inputs;
  {
    const NoGrad no_grad;
    const FirstRun run;
    outputs = fn(detached);
    sources.insert(sources.end(), run.read().begin(), run.read().end());
  }
  record_all<CheckpointBackward>(outputs, sources, [&] {
    return CheckpointBackward{fn, {inputs.begin(), inputs.end()}, sources.size() - inputs.size()};
  });
  return outputs;
}

}  // namespace lookback
