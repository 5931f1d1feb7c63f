#include "autograd/ops/tanh.h"

#include "autograd/ops/detail/floating_operand.h"
#include "autograd/record.h"
#include "kernels/tanh.h"

namespace lookback {
namespace {

// dx = dy (1 - y^2)
struct TanhBackward {
  static constexpr std::string_view name = "tanh";
  SavedTensor y;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::tanh_backward(dy.backend(), {.dy = contiguous(dy), .y = y.get(), .dx = dx});
    return {dx};
  }
};

}  // namespace

Tensor tanh(const Tensor& given_x) {
  const auto x = floating_operand("tanh", given_x);
  const auto y = empty_like(x);
  kernels::tanh_forward(x.backend(), {.x = x, .y = y});
  return record<TanhBackward>(y, {x}, [&] { return TanhBackward{y}; });
}

}  // namespace lookback
