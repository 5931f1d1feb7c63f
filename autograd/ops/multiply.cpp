#include "autograd/ops/multiply.h"

#include "autograd/ops/detail/broadcast_result.h"
#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/record.h"
#include "kernels/multiply.h"

namespace lookback {
namespace {

// da = dy b, db = dy a, summed over what was broadcast.
struct MultiplyBackward {
  static constexpr std::string_view name = "multiply";
  Shape a_shape, b_shape;
  SavedTensor a, b;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    return {needed[0] ? unbroadcast(multiply(dy, b.get()), a_shape) : Tensor{},
            needed[1] ? unbroadcast(multiply(dy, a.get()), b_shape) : Tensor{}};
  }
};

}  // namespace

Tensor multiply(const Tensor& a, const Tensor& b) {
  const auto y = broadcast_result("multiply", a, b);
  kernels::multiply_forward(a.backend(), {.a = a, .b = b, .y = y});
  return record<MultiplyBackward>(y, {a, b}, [&] {
    return MultiplyBackward{a.shape(), b.shape(), requires_grad(b) ? a : Tensor{},
                            requires_grad(a) ? b : Tensor{}};
  });
}

}  // namespace lookback
