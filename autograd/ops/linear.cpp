#include "autograd/ops/linear.h"

#include "autograd/ops/cast.h"
#include "autograd/ops/detail/product_operands.h"
#include "autograd/ops/detail/rows.h"
#include "autograd/ops/detail/unbroadcast.h"
#include "autograd/record.h"
#include "kernels/binary.h"

namespace lookback {
namespace {

// dx = dy weight, dweight = dy^T x, dbias = sum of the rows of dy.
struct LinearBackward {
  static constexpr std::string_view name = "linear";
  static constexpr bool takes_rounded_gradients = true;
  SavedTensor x, weight;  // matrices; x as the product read it
  Shape x_shape;
  DType x_dtype;
  Products products;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto dy = gradient_rows(given_dy, weight.get().dtype(), products);
    const auto dy_operand = product_operand(dy, products);
    std::vector<Tensor> result(3);
    if (needed[0]) {
      result[0] = empty(x_shape, x_dtype, dy.device());
      multiply_into(as_rows(result[0]), dy_operand, weight_operand(weight.get(), products));
    }
    if (needed[1]) {
      result[1] = empty({dy.size(1), x_shape[-1]}, weight.get().dtype(), dy.device());
      multiply_into(result[1], transposed_matrix(dy_operand), x.get());
    }
    if (needed[2]) result[2] = unbroadcast(cast(dy, weight.get().dtype()), {dy.size(1)});
    return result;
  }
};

void check_arguments(const Tensor& x, const Tensor& weight, const Tensor& bias, Products products) {
  const Check check{"linear"};
  check(x.rank() > 0 && weight.rank() == 2 && weight.size(1) == x.size(-1),
        "weight {} must be (N, {}): x is {}", weight.shape(), x.rank() > 0 ? x.size(-1) : 0,
        x.shape());
  const bool is_rounded = products == Products::bfloat16 && x.dtype() == DType::bf16;
  check(is_floating(weight.dtype()) && (is_rounded || weight.dtype() == x.dtype()),
        "x {} and weight {} must have one floating dtype", x.dtype(), weight.dtype());
  check_products(check, weight.dtype(), products);
  if (!bias.defined()) return;
  check(bias.shape() == Shape{weight.size(0)} && bias.dtype() == weight.dtype(),
        "bias {} {} must be {} ({},): weight is {}", bias.dtype(), bias.shape(), weight.dtype(),
        weight.size(0), weight.shape());
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Products products) {
  check_arguments(x, weight, bias, products);
  const auto operand = product_operand(as_rows(x), products);
  const auto matrix = as_rows(weight);
  auto shape = x.shape();
  shape[-1] = weight.size(0);
  const auto y = empty(shape, weight.dtype(), x.device());
  const auto y_rows = as_rows(y);
  multiply_into(y_rows, operand, transposed_matrix(weight_operand(matrix, products)));
  if (bias.defined()) kernels::add_forward(y.backend(), {.a = y_rows, .b = bias, .y = y_rows});
  return record<LinearBackward>(y, {x, weight, bias}, [&] {
    return LinearBackward{operand, matrix, x.shape(), x.dtype(), products};
  });
}

}  // namespace lookback
