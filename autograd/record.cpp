#include "autograd/record.h"

#include <algorithm>

#include "autograd/checkpoint.h"

namespace lookback {

namespace detail {

bool belongs_on_tape(std::string_view operation, std::span<const Tensor> inputs) {
  for (const auto& input : inputs) check_checkpoint_input(operation, input);
  return grad_enabled() && std::any_of(inputs.begin(), inputs.end(), requires_grad);
}

void connect(const std::shared_ptr<Node>& node, std::span<const Tensor> outputs,
             std::span<const Tensor> inputs) {
  node->edges.reserve(inputs.size());
  for (const auto& input : inputs) node->edges.push_back(edge_to(input));
  node->outputs.reserve(outputs.size());
  for (std::uint32_t i = 0; i < outputs.size(); ++i) {
    node->outputs.push_back({outputs[i].shape(), outputs[i].dtype(), {}});
    if (!is_floating(outputs[i].dtype())) continue;  // an integer beside them has no gradient
    auto& state = own_gradient_state(outputs[i]);
    state.producer = node;
    state.output = i;
    state.requires_grad = true;
  }
}

}  // namespace detail

void no_gradient(std::string_view operation, std::initializer_list<Tensor> inputs) {
  if (!detail::belongs_on_tape(operation, {inputs.begin(), inputs.size()})) return;
  fail(operation,
       "has no backward, but an input requires a gradient: call it under NoGrad, or on x.detach()");
}

}  // namespace lookback
