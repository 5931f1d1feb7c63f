#include "autograd/ops/add_rms_norm.h"

#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/product_operands.h"
#include "autograd/ops/detail/rms_norm_gradient.h"
#include "autograd/ops/detail/rows.h"
#include "autograd/record.h"
#include "kernels/add_rms_norm.h"

namespace lookback {
namespace {

// Both addends get the same gradient, a's rounded where a product made it.
struct AddRmsNormBackward {
  static constexpr std::string_view name = "add_rms_norm";
  SavedTensor sum, weight, inverse_rms;  // sum: rows
  Shape shape;
  Products readers;

  std::vector<Tensor> operator()(std::span<const Tensor> gradients, Needed needed) const {
    const auto& dsum = gradients[0];
    const auto& dnormed = gradients[1];
    if (!dnormed.defined()) return {dsum, dsum, {}};
    const auto result =
        rms_norm_gradients(dnormed, dsum, sum.get(), weight.get(), inverse_rms.get(), shape,
                           needed[2] ? WeightGradient::compute : WeightGradient::skip,
                           needed[1] && readers == Products::bfloat16 ? RoundedGradient::write
                                                                      : RoundedGradient::skip);
    return {result.dx, result.dx_rounded.defined() ? result.dx_rounded : result.dx, result.dweight};
  }
};

void check_arguments(const Tensor& x, const Tensor& a, const Tensor& weight, Products readers) {
  const Check check{"add_rms_norm"};
  check(x.rank() > 0 && a.shape() == x.shape(), "x {} and a {} must have one shape", x.shape(),
        a.shape());
  check(weight.shape() == Shape{x.size(-1)}, "weight {} must be ({},): x is {}", weight.shape(),
        x.size(-1), x.shape());
  check(is_floating(x.dtype()) && a.dtype() == x.dtype() && weight.dtype() == x.dtype(),
        "x {}, a {} and weight {} must have one floating dtype", x.dtype(), a.dtype(),
        weight.dtype());
  check_products(check, x.dtype(), readers);
}

}  // namespace

AddRmsNormResult add_rms_norm(const Tensor& x, const Tensor& a, const Tensor& weight,
                              double epsilon, Products readers) {
  check_arguments(x, a, weight, readers);
  const auto scale = contiguous(weight.detach());
  const AddRmsNormResult result{empty_like(x),
                                empty(x.shape(), operand_dtype(x.dtype(), readers), x.device())};
  const auto x_rows = as_rows(x), a_rows = as_rows(a), sum_rows = as_rows(result.sum);
  const auto inverse_rms = empty({x_rows.size(0)}, accumulator_of(x.dtype()), x.device());
  kernels::add_rms_norm_forward(x.backend(), {.x = x_rows,
                                              .a = a_rows,
                                              .weight = scale,
                                              .h = sum_rows,
                                              .y = as_rows(result.normed),
                                              .inverse_rms = inverse_rms,
                                              .epsilon = epsilon});
  const Tensor outputs[] = {result.sum, result.normed};
  const Tensor inputs[] = {x, a, weight};
  record_all<AddRmsNormBackward>(outputs, inputs, [&] {
    return AddRmsNormBackward{sum_rows, scale, inverse_rms, x.shape(), readers};
  });
  return result;
}

}  // namespace lookback
