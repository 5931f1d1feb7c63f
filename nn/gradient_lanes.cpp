#include "nn/gradient_lanes.h"

#include "autograd/gradient.h"
#include "autograd/sum_gradients.h"

namespace lookback {
namespace {

Tensor joined(Tensor left, const Tensor& right) {
  if (!left.defined()) return right;
  return right.defined() ? sum_gradients(std::move(left), right) : left;
}

}  // namespace

GradientLanes::GradientLanes(std::vector<NamedParameter> parameters)
    : parameters_(std::move(parameters)), sums_(parameters_.size()), closed_(parameters_.size()) {}

void GradientLanes::end_lane() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& tensor = parameters_[i].tensor;
    auto lane = gradient(tensor);
    clear_gradient(tensor);
    sums_[i].add(std::move(lane), joined);
  }
}

void GradientLanes::close(std::size_t parameter) {
  const auto& tensor = parameters_[parameter].tensor;
  auto lane = gradient(tensor);
  clear_gradient(tensor);
  sums_[parameter].add(std::move(lane), joined);
  set_gradient(tensor, sums_[parameter].total(joined));
  closed_[parameter] = true;
}

void GradientLanes::close() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!closed_[i]) close(i);
  }
}

}  // namespace lookback
