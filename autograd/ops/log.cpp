#include "autograd/ops/log.h"

#include "autograd/ops/detail/floating_operand.h"
#include "autograd/ops/divide.h"
#include "autograd/record.h"
#include "kernels/log.h"

namespace lookback {
namespace {

// dx = dy / x
struct LogBackward {
  static constexpr std::string_view name = "log";
  SavedTensor x;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {divide(dy, x.get())}; }
};

}  // namespace

Tensor log(const Tensor& given_x) {
  const auto x = floating_operand("log", given_x);
  const auto y = empty_like(x);
  kernels::log_forward(x.backend(), {.x = x, .y = y});
  return record<LogBackward>(y, {x}, [&] { return LogBackward{x}; });
}

}  // namespace lookback
