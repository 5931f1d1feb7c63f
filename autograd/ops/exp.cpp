#include "autograd/ops/exp.h"

#include "autograd/ops/detail/floating_operand.h"
#include "autograd/ops/multiply.h"
#include "autograd/record.h"
#include "kernels/exp.h"

namespace lookback {
namespace {

// dx = dy y
struct ExpBackward {
  static constexpr std::string_view name = "exp";
  SavedTensor y;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {multiply(dy, y.get())}; }
};

}  // namespace

Tensor exp(const Tensor& given_x) {
  const auto x = floating_operand("exp", given_x);
  const auto y = empty_like(x);
  kernels::exp_forward(x.backend(), {.x = x, .y = y});
  return record<ExpBackward>(y, {x}, [&] { return ExpBackward{y}; });
}

}  // namespace lookback
