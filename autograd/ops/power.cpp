#include "autograd/ops/power.h"

#include "autograd/ops/detail/broadcast_result.h"
#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/record.h"
#include "kernels/power.h"

namespace lookback {
namespace {

struct PowerBackward {
  static constexpr std::string_view name = "power";
  SavedTensor x, exponent;
  double constant;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    const auto like_dy = [&] { return empty(dy.shape(), dy.dtype(), dy.device()); };
    const auto base = x.get();
    const auto p = exponent.defined() ? exponent.get() : Tensor{};
    const auto dx = needed[0] ? like_dy() : Tensor{};
    const auto dp = p.defined() && needed[1] ? like_dy() : Tensor{};
    kernels::power_backward(
        dy.backend(),
        {.dy = dy, .x = base, .exponent = p, .dx = dx, .dexponent = dp, .constant = constant});
    std::vector<Tensor> gradients{dx.defined() ? unbroadcast(dx, base.shape()) : Tensor{}};
    if (p.defined()) gradients.push_back(dp.defined() ? unbroadcast(dp, p.shape()) : Tensor{});
    return gradients;
  }
};

void check_floating(const Tensor& x) {
  const Check check{"power"};
  check(is_floating(x.dtype()), "x {} must have a floating dtype", x.dtype());
}

}  // namespace

Tensor power(const Tensor& x, double exponent) {
  check_floating(x);
  const auto y = empty_like(x);
  kernels::power_forward(x.backend(), {.x = x, .exponent = Tensor{}, .y = y, .constant = exponent});
  return record<PowerBackward>(y, {x}, [&] { return PowerBackward{x, {}, exponent}; });
}

Tensor power(const Tensor& x, const Tensor& exponent) {
  check_floating(x);
  const auto y = broadcast_result("power", x, exponent);
  kernels::power_forward(x.backend(), {.x = x, .exponent = exponent, .y = y, .constant = 0});
  return record<PowerBackward>(y, {x, exponent}, [&] { return PowerBackward{x, exponent, 0}; });
}

}  // namespace lookback
