#include "autograd/ops/gelu.h"

#include "autograd/ops/detail/floating_operand.h"
#include "autograd/record.h"

namespace lookback {
namespace {

struct GeluBackward {
  static constexpr std::string_view name = "gelu";
  SavedTensor x;
  GeluForm form;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::gelu_backward(dy.backend(),
                           {.dy = contiguous(dy), .x = x.get(), .dx = dx, .form = form});
    return {dx};
  }
};

}  // namespace

Tensor gelu(const Tensor& given_x, GeluForm form) {
  const auto x = floating_operand("gelu", given_x);
  const auto y = empty_like(x);
  kernels::gelu_forward(x.backend(), {.x = x, .y = y, .form = form});
  return record<GeluBackward>(y, {x}, [&] { return GeluBackward{x, form}; });
}

}  // namespace lookback
