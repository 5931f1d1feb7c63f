#include "autograd/ops/rms_norm.h"

#include "autograd/ops/contiguous.h"
#include "autograd/record.h"
#include "kernels/rms_norm.h"

namespace lookback {
namespace {

// [.., D] seen as [rows, D].
Tensor as_rows(const Tensor& x) {
  const auto columns = x.size(-1);
  return x.alias({columns == 0 ? 0 : x.numel() / columns, columns}, {columns, 1});
}

struct RmsNormBackward {
  static constexpr std::string_view name = "rms_norm";
  SavedTensor x, weight, inverse_rms;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto dy = contiguous(given_dy);
    const auto input = x.get();
    const auto scale = weight.get();
    const auto rows = as_rows(input);
    const auto dx = empty_like(input);
    Tensor dweight, row_partials;
    if (needed[1]) {
      const auto per_partial = kernels::rms_norm_rows_per_partial;
      dweight = empty_like(scale);
      row_partials = empty({(rows.size(0) + per_partial - 1) / per_partial, rows.size(1)},
                           accumulator_of(input.dtype()), input.device());
    }
    kernels::rms_norm_backward(input.backend(), {.dy = as_rows(dy),
                                                 .x = rows,
                                                 .weight = scale,
                                                 .inverse_rms = inverse_rms.get(),
                                                 .dx = as_rows(dx),
                                                 .dweight = dweight,
                                                 .row_partials = row_partials});
    return {dx, dweight};
  }
};

}  // namespace

Tensor rms_norm(const Tensor& given_x, const Tensor& weight, double epsilon) {
  const Check check{"rms_norm"};
  check(given_x.rank() > 0, "x {} must have at least one dimension", given_x.shape());
  const auto x = contiguous(given_x);
  const auto columns = x.size(-1);
  check(weight.shape() == Shape{columns}, "weight {} must be ({},): x is {}", weight.shape(),
        columns, x.shape());
  check(weight.dtype() == x.dtype() && is_floating(x.dtype()),
        "weight {} and x {} must have one floating dtype", weight.dtype(), x.dtype());
  const auto scale = contiguous(weight);
  const auto rows = as_rows(x);
  const auto y = empty_like(x);
  const auto inverse_rms = empty({rows.size(0)}, accumulator_of(x.dtype()), x.device());
  kernels::rms_norm_forward(x.backend(), {.x = rows,
                                          .weight = scale,
                                          .y = as_rows(y),
                                          .inverse_rms = inverse_rms,
                                          .epsilon = epsilon});
  return record<RmsNormBackward>(y, {x, scale}, [&] { return RmsNormBackward{x, scale, inverse_rms}; });
}

}  // namespace lookback
