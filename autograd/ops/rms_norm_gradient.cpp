#include "autograd/ops/rms_norm_gradient.h"

#include "autograd/ops/rows.h"
#include "kernels/rms_norm.h"

namespace lookback {

RmsNormGradients rms_norm_gradients(const Tensor& dy, const Tensor& dsum, const Tensor& x,
                                    const Tensor& weight, const Tensor& inverse_rms,
                                    const Shape& shape, WeightGradient weight_gradient) {
  RmsNormGradients result;
  result.dx = empty(shape, x.dtype(), x.device());
  Tensor row_partials;
  if (weight_gradient == WeightGradient::compute) {
    const auto per_partial = kernels::rms_norm_rows_per_partial;
    result.dweight = empty(weight.shape(), weight.dtype(), weight.device());
    row_partials = empty({(x.size(0) + per_partial - 1) / per_partial, x.size(1)},
                         accumulator_of(x.dtype()), x.device());
  }
  const auto dy_rows = as_rows(dy);
  const auto dsum_rows = dsum.defined() ? as_rows(dsum) : Tensor{};
  kernels::rms_norm_backward(x.backend(), {.dy = dy_rows,
                                           .x = x,
                                           .weight = weight,
                                           .inverse_rms = inverse_rms,
                                           .dsum = dsum_rows,
                                           .dx = as_rows(result.dx),
                                           .dweight = result.dweight,
                                           .row_partials = row_partials});
  return result;
}

}  // namespace lookback
