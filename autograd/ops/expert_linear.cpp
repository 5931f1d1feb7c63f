#include "autograd/ops/expert_linear.h"

#include <algorithm>

#include "autograd/ops/cast.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/product_operands.h"
#include "autograd/ops/detail/rows.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/sum.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/expert_linear.h"

namespace lookback {
namespace {

// y [N, S O] = the rows of x [N, I] times the chosen of weight [E, I, O], any strides that
// kernels/expert_linear.h takes.
void multiply_chosen(const Tensor& y, const Tensor& x, const Tensor& weight,
                     const Tensor& experts) {
  run_with_workspace(
      kernels::expert_linear_forward, y.device(),
      kernels::ExpertLinearForwardArgs{.x = x, .weight = weight, .experts = experts, .y = y});
}

// [E, O, I] with the last two exchanged: a view without gradient history.
Tensor transposed_each(const Tensor& weight) {
  const auto& strides = weight.strides();
  return weight.alias({weight.size(0), weight.size(2), weight.size(1)},
                      {strides[0], strides[2], strides[1]});
}

// dx = sum over s of dy_s weight[e_s], dweight[e] = sum over its rows of dy^T x.
struct ExpertLinearBackward {
  static constexpr std::string_view name = "expert_linear";
  SavedTensor x, weight, experts;  // x as the product read it, [N, I]; experts [N, S]
  Shape x_shape;
  DType x_dtype;
  Products products;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto chosen = experts.get();
    const auto rows = chosen.size(0), slots = chosen.size(1);
    const auto outputs = weight.get().size(1), inputs = weight.get().size(2);
    const auto dy = contiguous(given_dy);
    const auto slopes = product_operand(reshape(dy, {rows, slots * outputs}), products);
    std::vector<Tensor> result(3);
    if (needed[0]) {
      // Of several uses of a row the sum is rounded once.
      const auto each = empty({rows * slots, inputs},
                              slots == 1 ? x_dtype : accumulator_of(slopes.dtype()), dy.device());
      multiply_chosen(each, reshape(slopes, {rows * slots, outputs}),
                      weight_operand(weight.get(), products), reshape(chosen, {rows * slots, 1}));
      const auto dx = slots == 1 ? each : sum(reshape(each, {rows, slots, inputs}), {1});
      result[0] = reshape(cast(dx, x_dtype), x_shape);
    }
    if (needed[1]) {
      result[1] = empty(weight.get().shape(), dy.dtype(), dy.device());
      run_with_workspace(kernels::expert_linear_backward, dy.device(),
                         kernels::ExpertLinearBackwardArgs{
                             .dy = slopes, .x = x.get(), .experts = chosen, .dweight = result[1]});
    }
    return result;
  }
};

void check_arguments(const Tensor& x, const Tensor& weight, const Tensor& experts,
                     Products products) {
  const Check check{"expert_linear"};
  check(x.rank() > 0 && weight.rank() == 3 && weight.size(2) == x.size(-1),
        "weight {} must be (E, O, {}): x is {}", weight.shape(), x.rank() > 0 ? x.size(-1) : 0,
        x.shape());
  check(experts.dtype() == DType::i64, "experts must be int64, not {}", experts.dtype());
  check(experts.rank() == x.rank() &&
            std::equal(x.shape().begin(), x.shape().end() - 1, experts.shape().begin()),
        "experts {} must have the shape of x, {}, but for the last size", experts.shape(),
        x.shape());
  const bool is_rounded = products == Products::bfloat16 && x.dtype() == DType::bf16;
  check(is_floating(weight.dtype()) && (is_rounded || weight.dtype() == x.dtype()),
        "x {} and weight {} must have one floating dtype", x.dtype(), weight.dtype());
  check_products(check, weight.dtype(), products);
}

}  // namespace

Tensor expert_linear(const Tensor& x, const Tensor& given_weight, const Tensor& experts,
                     Products products) {
  check_arguments(x, given_weight, experts, products);
  const auto operand = product_operand(as_rows(x), products);
  const auto weight = contiguous(given_weight.detach());
  const auto chosen = as_rows(contiguous(experts));
  const auto outputs = weight.size(1), slots = chosen.size(1);
  auto shape = x.shape();
  shape[-1] = slots;
  shape.push_back(outputs);
  const auto y = empty(shape, weight.dtype(), x.device());
  multiply_chosen(y.alias({chosen.size(0), slots * outputs}, {slots * outputs, 1}), operand,
                  transposed_each(weight_operand(weight, products)), chosen);
  return record<ExpertLinearBackward>(y, {x, given_weight, experts}, [&] {
    return ExpertLinearBackward{operand, weight, chosen, x.shape(), x.dtype(), products};
  });
}

}  // namespace lookback
