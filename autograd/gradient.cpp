#include "autograd/gradient.h"

#include "autograd/sum_gradients.h"

namespace lookback {
namespace {

// Collects the gradient of one leaf. The graph owns it, the leaf only points at it.
class AccumulateGradient final : public Node {
 public:
  AccumulateGradient(std::shared_ptr<AutogradState> state, const Tensor& leaf)
      : state_(std::move(state)) {
    outputs.push_back({leaf.shape(), leaf.dtype(), {}});
  }

  std::string_view name() const override { return "accumulate_gradient"; }
  bool is_leaf() const override { return true; }

  std::vector<Tensor> backward(std::span<const Tensor> output_gradients, Needed) override {
    auto& leaf = static_cast<GradientState&>(*state_);
    auto total = output_gradients[0];
    for (const auto& hook : leaf.hooks) total = hook(total);
    const bool first = !leaf.gradient.defined();
    leaf.gradient = first ? total.detach() : sum_gradients(std::move(leaf.gradient), total);
    if (leaf.collected) leaf.collected();
    return {};
  }

 private:
  std::shared_ptr<AutogradState> state_;
};

}  // namespace

GradientState* gradient_state(const Tensor& x) {
  return x.defined() ? static_cast<GradientState*>(x.autograd_state().get()) : nullptr;
}

GradientState& own_gradient_state(const Tensor& x) {
  auto& state = x.autograd_state();
  if (!state) state = std::make_shared<GradientState>();
  return static_cast<GradientState&>(*state);
}

bool requires_grad(const Tensor& x) {
  const auto* state = gradient_state(x);
  return state != nullptr && state->requires_grad;
}

void set_requires_grad(const Tensor& x) {
  const Check check{"requires_grad"};
  check(is_floating(x.dtype()), "a tensor of {} has no gradient: use a floating type", x.dtype());
  auto& state = own_gradient_state(x);
  check(!state.producer, "x {} was made by an operation: only leaves collect a gradient",
        x.shape());
  state.requires_grad = true;
}

void set_parameter(const Tensor& x) {
  set_requires_grad(x);
  own_gradient_state(x).is_parameter = true;
}

Tensor gradient(const Tensor& leaf) {
  const auto* state = gradient_state(leaf);
  return state == nullptr ? Tensor{} : state->gradient;
}

void set_gradient(const Tensor& leaf, const Tensor& value) {
  if (value.defined() && (value.shape() != leaf.shape() || value.dtype() != leaf.dtype())) {
    fail("set_gradient", "gradient {} {} must have the tensor's shape {} and dtype {}",
         value.dtype(), value.shape(), leaf.shape(), leaf.dtype());
  }
  own_gradient_state(leaf).gradient = value.defined() ? value.detach() : Tensor{};
}

void on_collected(const Tensor& leaf, std::function<void()> call) {
  own_gradient_state(leaf).collected = std::move(call);
}

void add_hook(const Tensor& x, GradientHook hook) {
  if (!requires_grad(x)) {
    fail("add_hook", "x {} does not require a gradient: its hook would never run", x.shape());
  }
  auto& state = own_gradient_state(x);
  auto& hooks = state.producer ? state.producer->outputs[state.output].hooks : state.hooks;
  hooks.push_back(std::move(hook));
}

Edge edge_to(const Tensor& x) {
  if (!requires_grad(x)) return {};
  auto& state = own_gradient_state(x);
  if (state.producer) return {state.producer, state.output};
  auto accumulator = state.accumulator.lock();
  if (!accumulator) {
    accumulator = std::make_shared<AccumulateGradient>(x.autograd_state(), x);
    state.accumulator = accumulator;
  }
  return {std::move(accumulator), 0};
}

}  // namespace lookback
