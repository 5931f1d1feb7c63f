#include "autograd/ops/sqrt.h"

#include "autograd/ops/detail/floating_operand.h"
#include "autograd/ops/divide.h"
#include "autograd/record.h"
#include "kernels/sqrt.h"

namespace lookback {
namespace {

// dx = dy / (2 y)
struct SqrtBackward {
  static constexpr std::string_view name = "sqrt";
  SavedTensor y;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    return {divide(affine(dy, 0.5, 0), y.get())};
  }
};

}  // namespace

Tensor sqrt(const Tensor& given_x) {
  const auto x = floating_operand("sqrt", given_x);
  const auto y = empty_like(x);
  kernels::sqrt_forward(x.backend(), {.x = x, .y = y});
  return record<SqrtBackward>(y, {x}, [&] { return SqrtBackward{y}; });
}

}  // namespace lookback
