#include "autograd/ops/sigmoid.h"

#include "autograd/ops/detail/floating_operand.h"
#include "autograd/record.h"
#include "kernels/sigmoid.h"

namespace lookback {
namespace {

// dx = dy y (1 - y)
struct SigmoidBackward {
  static constexpr std::string_view name = "sigmoid";
  SavedTensor y;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::sigmoid_backward(dy.backend(), {.dy = contiguous(dy), .y = y.get(), .dx = dx});
    return {dx};
  }
};

}  // namespace

Tensor sigmoid(const Tensor& given_x) {
  const auto x = floating_operand("sigmoid", given_x);
  const auto y = empty_like(x);
  kernels::sigmoid_forward(x.backend(), {.x = x, .y = y});
  return record<SigmoidBackward>(y, {x}, [&] { return SigmoidBackward{y}; });
}

}  // namespace lookback
