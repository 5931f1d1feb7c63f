#include "autograd/ops/silu.h"

#include "autograd/ops/detail/floating_operand.h"
#include "autograd/record.h"
#include "kernels/silu.h"

namespace lookback {
namespace {

// dx = dy s (1 + x (1 - s)), s = 1 / (1 + e^-x)
struct SiluBackward {
  static constexpr std::string_view name = "silu";
  SavedTensor x;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::silu_backward(dy.backend(), {.dy = contiguous(dy), .x = x.get(), .dx = dx});
    return {dx};
  }
};

}  // namespace

Tensor silu(const Tensor& given_x) {
  const auto x = floating_operand("silu", given_x);
  const auto y = empty_like(x);
  kernels::silu_forward(x.backend(), {.x = x, .y = y});
  return record<SiluBackward>(y, {x}, [&] { return SiluBackward{x}; });
}

}  // namespace lookback
