#include "autograd/ops/log_softmax.h"

#include "autograd/ops/detail/rows.h"
#include "autograd/record.h"
#include "kernels/log_softmax.h"

namespace lookback {
namespace {

struct LogSoftmaxBackward {
  static constexpr std::string_view name = "log_softmax";
  SavedTensor y;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::log_softmax_backward(dy.backend(),
                                  {.dy = as_rows(dy), .y = as_rows(y.get()), .dx = as_rows(dx)});
    return {dx};
  }
};

}  // namespace

Tensor log_softmax(const Tensor& x) {
  const Check check{"log_softmax"};
  check(is_floating(x.dtype()), "x {} must have a floating dtype", x.dtype());
  check(x.rank() > 0, "x {} must have at least one dimension", x.shape());
  const auto y = empty_like(x);
  kernels::log_softmax_forward(x.backend(), {.x = as_rows(x), .y = as_rows(y)});
  return record<LogSoftmaxBackward>(y, {x}, [&] { return LogSoftmaxBackward{y}; });
}

}  // namespace lookback
