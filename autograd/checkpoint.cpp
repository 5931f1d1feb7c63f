#include "autograd/checkpoint.h"

#include <utility>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/record.h"

namespace lookback {
namespace {

thread_local bool inside = false;

// Marks the first run of a checkpointed function on this thread.
class Inside {
 public:
  Inside() : previous(std::exchange(inside, true)) {}
  ~Inside() { inside = previous; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  bool previous;
};

struct CheckpointBackward {
  static constexpr std::string_view name = "checkpoint";
  CheckpointedFunction fn;
  std::vector<SavedTensor> inputs;
  std::vector<char> differentiable;

  std::vector<Tensor> operator()(std::span<const Tensor> output_gradients, Needed needed) const {
    std::vector<Tensor> fresh;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto saved = inputs[i].get();
      fresh.push_back(saved.defined() ? saved.detach() : Tensor{});
      if (differentiable[i] != 0 && needed[i]) set_requires_grad(fresh.back());
    }
    {
      const EnableGrad enable;
      const auto outputs = fn(fresh);
      backward(outputs, output_gradients, AfterBackward::release);
    }
    std::vector<Tensor> gradients;
    for (const auto& input : fresh) gradients.push_back(gradient(input));
    return gradients;
  }
};

}  // namespace

void check_checkpoint_input(std::string_view operation, const Tensor& input) {
  if (!inside) return;
  const auto* state = gradient_state(input);
  if (state == nullptr || !state->requires_grad || state->is_parameter) return;
  fail("checkpoint",
       "{} inside the checkpointed function reads a tensor {} that requires a gradient and is "
       "neither an input nor a parameter: pass it as an input",
       operation, input.shape());
}

std::vector<Tensor> checkpoint(const CheckpointedFunction& fn, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> detached;
  for (const auto& input : inputs) detached.push_back(input.defined() ? input.detach() : input);
  std::vector<Tensor> outputs;
  {
    const NoGrad no_grad;
    const Inside mark;
    outputs = fn(detached);
  }
  if (!grad_enabled()) return outputs;
  // Parameters inside fn need their gradients even when no input does: the node is always recorded.
  auto node = std::make_shared<detail::RecordedNode<CheckpointBackward>>([&] {
    CheckpointBackward saved{fn, {}, {}};
    for (const auto& input : inputs) {
      saved.inputs.emplace_back(input);
      saved.differentiable.push_back(requires_grad(input) ? 1 : 0);
    }
    return saved;
  }());
  detail::connect(node, outputs, inputs);
  return outputs;
}

}  // namespace lookback
