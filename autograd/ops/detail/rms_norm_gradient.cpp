#include "autograd/ops/detail/rms_norm_gradient.h"

#include "autograd/ops/detail/rows.h"
#include "autograd/workspace.h"
#include "kernels/rms_norm.h"

namespace lookback {

RmsNormGradients rms_norm_gradients(const Tensor& dy, const Tensor& dsum, const Tensor& x,
                                    const Tensor& weight, const Tensor& inverse_rms,
                                    const Shape& shape, WeightGradient weight_gradient,
                                    RoundedGradient rounded) {
  RmsNormGradients result;
  result.dx = empty(shape, x.dtype(), x.device());
  if (weight_gradient == WeightGradient::compute) {
    result.dweight = empty(weight.shape(), weight.dtype(), weight.device());
  }
  if (rounded == RoundedGradient::write) {
    result.dx_rounded = empty(shape, DType::bf16, x.device());
  }
  const auto dx_rounded = result.dx_rounded.defined() ? as_rows(result.dx_rounded) : Tensor{};
  const auto dy_rows = as_rows(dy);
  const auto dsum_rows = dsum.defined() ? as_rows(dsum) : Tensor{};
  run_with_workspace(kernels::rms_norm_backward, x.device(),
                     kernels::RmsNormBackwardArgs{.dy = dy_rows,
                                                  .x = x,
                                                  .weight = weight,
                                                  .inverse_rms = inverse_rms,
                                                  .dsum = dsum_rows,
                                                  .dx = as_rows(result.dx),
                                                  .dx_rounded = dx_rounded,
                                                  .dweight = result.dweight,
                                                  .workspace = {}});
  return result;
}

}  // namespace lookback
