#include "autograd/ops/divide.h"

#include "autograd/ops/detail/broadcast_result.h"
#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/ops/multiply.h"
#include "autograd/ops/negate.h"
#include "autograd/record.h"
#include "kernels/divide.h"

namespace lookback {
namespace {

// da = dy / b, db = -y da, summed over what was broadcast.
struct DivideBackward {
  static constexpr std::string_view name = "divide";
  Shape a_shape, b_shape;
  SavedTensor b, y;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    const auto quotient = divide(dy, b.get());
    return {needed[0] ? unbroadcast(quotient, a_shape) : Tensor{},
            needed[1] ? negate(unbroadcast(multiply(quotient, y.get()), b_shape)) : Tensor{}};
  }
};

}  // namespace

Tensor divide(const Tensor& a, const Tensor& b) {
  const Check check{"divide"};
  check(is_floating(a.dtype()), "a {} must have a floating dtype", a.dtype());
  const auto y = broadcast_result("divide", a, b);
  kernels::divide_forward(a.backend(), {.a = a, .b = b, .y = y});
  return record<DivideBackward>(y, {a, b}, [&] {
    return DivideBackward{a.shape(), b.shape(), b, requires_grad(b) ? y : Tensor{}};
  });
}

}  // namespace lookback
