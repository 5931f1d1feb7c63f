#include "nn/gradient_lanes.h"

#include "autograd/gradient.h"
#include "autograd/sum_gradients.h"

namespace lookback {
namespace {

std::vector<Tensor> joined(std::vector<Tensor> left, std::vector<Tensor> right) {
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!left[i].defined()) {
      left[i] = std::move(right[i]);
    } else if (right[i].defined()) {
      left[i] = sum_gradients(std::move(left[i]), right[i]);
    }
    right[i] = {};
  }
  return left;
}

}  // namespace

void GradientLanes::end_lane() {
  std::vector<Tensor> lane;
  for (const auto& parameter : parameters_) {
    lane.push_back(gradient(parameter.tensor));
    clear_gradient(parameter.tensor);
  }
  sums_.add(std::move(lane), joined);
}

void GradientLanes::close() {
  auto sum = sums_.total(joined);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (sum[i].defined()) set_gradient(parameters_[i].tensor, sum[i]);
  }
}

}  // namespace lookback
