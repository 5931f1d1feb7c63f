#include "autograd/ops/rsqrt.h"

#include "autograd/ops/detail/floating_operand.h"
#include "autograd/record.h"
#include "kernels/rsqrt.h"

namespace lookback {
namespace {

// dx = -dy y^3 / 2
struct RsqrtBackward {
  static constexpr std::string_view name = "rsqrt";
  SavedTensor y;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::rsqrt_backward(dy.backend(), {.dy = contiguous(dy), .y = y.get(), .dx = dx});
    return {dx};
  }
};

}  // namespace

Tensor rsqrt(const Tensor& given_x) {
  const auto x = floating_operand("rsqrt", given_x);
  const auto y = empty_like(x);
  kernels::rsqrt_forward(x.backend(), {.x = x, .y = y});
  return record<RsqrtBackward>(y, {x}, [&] { return RsqrtBackward{y}; });
}

}  // namespace lookback
