#include "autograd/ops/rms_norm.h"

#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/product_operands.h"
#include "autograd/ops/detail/rms_norm_gradient.h"
#include "autograd/ops/detail/rows.h"
#include "autograd/record.h"
#include "kernels/rms_norm.h"

namespace lookback {
namespace {

struct RmsNormBackward {
  static constexpr std::string_view name = "rms_norm";
  SavedTensor x, weight, inverse_rms;  // x: rows
  Shape shape;

  std::vector<Tensor> operator()(const Tensor& dy, Needed needed) const {
    const auto gradients =
        rms_norm_gradients(dy, {}, x.get(), weight.get(), inverse_rms.get(), shape,
                           needed[1] ? WeightGradient::compute : WeightGradient::skip);
    return {gradients.dx, gradients.dweight};
  }
};

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon, Products readers) {
  const Check check{"rms_norm"};
  check(x.rank() > 0, "x {} must have at least one dimension", x.shape());
  const auto columns = x.size(-1);
  check(weight.shape() == Shape{columns}, "weight {} must be ({},): x is {}", weight.shape(),
        columns, x.shape());
  check(weight.dtype() == x.dtype() && is_floating(x.dtype()),
        "weight {} and x {} must have one floating dtype", weight.dtype(), x.dtype());
  check_products(check, x.dtype(), readers);
  const auto scale = contiguous(weight.detach());
  const auto rows = as_rows(x);
  const auto y = empty(x.shape(), operand_dtype(x.dtype(), readers), x.device());
  const auto inverse_rms = empty({rows.size(0)}, accumulator_of(x.dtype()), x.device());
  kernels::rms_norm_forward(x.backend(), {.x = rows,
                                          .weight = scale,
                                          .y = as_rows(y),
                                          .inverse_rms = inverse_rms,
                                          .epsilon = epsilon});
  return record<RmsNormBackward>(y, {x, weight}, [&] {
    return RmsNormBackward{rows, scale, inverse_rms, x.shape()};
  });
}

}  // namespace lookback
