#include "autograd/ops/subtract.h"

#include "autograd/ops/detail/broadcast_result.h"
#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/ops/negate.h"
#include "autograd/record.h"
#include "kernels/subtract.h"

namespace lookback {
namespace {

struct SubtractBackward {
  static constexpr std::string_view name = "subtract";
  Shape a, b;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    return {needed[0] ? unbroadcast(dy, a) : Tensor{},
            needed[1] ? negate(unbroadcast(dy, b)) : Tensor{}};
  }
};

}  // namespace

Tensor subtract(const Tensor& a, const Tensor& b) {
  const auto y = broadcast_result("subtract", a, b);
  kernels::subtract_forward(a.backend(), {.a = a, .b = b, .y = y});
  return record<SubtractBackward>(y, {a, b}, [&] {
    return SubtractBackward{a.shape(), b.shape()};
  });
}

}  // namespace lookback
