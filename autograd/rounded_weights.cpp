#include "autograd/rounded_weights.h"

#include "kernels/copy.h"

namespace lookback {
namespace {

Tensor rounded(const Tensor& weight) {
  const auto copy = empty(weight.shape(), DType::bf16, weight.device());
  kernels::copy_forward(weight.backend(), {.x = weight, .y = copy});
  return copy;
}

}  // namespace

RoundedWeights*& RoundedWeights::current() {
  thread_local RoundedWeights* innermost = nullptr;
  return innermost;
}

bool RoundedWeights::Copy::is_of(const Tensor& other) const {
  return version == other.version() && weight.shape() == other.shape() &&
         weight.strides() == other.strides();
}

Tensor RoundedWeights::copy_of(const Tensor& weight) {
  auto* keeper = current();
  if (keeper == nullptr) return rounded(weight);
  auto& copy = keeper->copies_[weight.raw_data()];
  if (!copy.weight.defined() || !copy.is_of(weight))
    copy = {.weight = weight.detach(), .version = weight.version(), .rounded = rounded(weight)};
  return copy.rounded;
}

}  // namespace lookback
