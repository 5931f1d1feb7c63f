#include "autograd/ops/detail/product_operands.h"

#include "autograd/ops/detail/rows.h"
#include "autograd/rounded_weights.h"
#include "autograd/sum_gradients.h"
#include "kernels/copy.h"
#include "kernels/matmul.h"

namespace lookback {

Tensor product_operand(const Tensor& matrix, Products products) {
  if (products == Products::native || matrix.dtype() == DType::bf16) return matrix;
  const auto rounded = empty(matrix.shape(), DType::bf16, matrix.device());
  kernels::copy_forward(matrix.backend(), {.x = matrix, .y = rounded});
  return rounded;
}

Tensor weight_operand(const Tensor& weight, Products products) {
  if (products == Products::native || weight.dtype() == DType::bf16) return weight;
  return RoundedWeights::copy_of(weight);
}

Tensor transposed_matrix(const Tensor& matrix) {
  return matrix.alias({matrix.size(1), matrix.size(0)}, {matrix.strides()[1], matrix.strides()[0]});
}

void multiply_into(const Tensor& y, const Tensor& a, const Tensor& b, double alpha) {
  kernels::matmul_forward(y.backend(), {.a = a, .b = b, .y = y, .alpha = alpha});
}

DType master_dtype(DType operand, Products products) {
  return products == Products::bfloat16 && operand == DType::bf16 ? DType::f32 : operand;
}

Tensor gradient_rows(const Tensor& dy, DType dtype, Products products) {
  return as_rows(products == Products::native ? widened_gradient(dy, dtype) : dy);
}

void check_products(const Check& check, DType dtype, Products products) {
  check(products == Products::native || dtype == DType::f32,
        "products in bfloat16 are made of float32 tensors, not {}", dtype);
}

void check_weights_of_one(const Check& check, const Tensor& x, const std::vector<Tensor>& weights,
                          const std::vector<Tensor>& biases, Products products) {
  check(!weights.empty(), "there must be at least one weight");
  check(biases.empty() || biases.size() == weights.size(),
        "{} biases: there must be none, or one entry to each of the {} weights", biases.size(),
        weights.size());
  check(x.rank() > 0 && is_floating(x.dtype()), "x {} {} must be floating rows", x.dtype(),
        x.shape());
  const auto dtype = master_dtype(x.dtype(), products);
  check_products(check, dtype, products);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto& weight = weights[i];
    check(weight.rank() == 2 && weight.size(1) == x.size(-1) && weight.dtype() == dtype,
          "weight {}, {} {}, must be {} (N, {}): x is {}", i, weight.dtype(), weight.shape(), dtype,
          x.size(-1), x.shape());
    if (biases.empty() || !biases[i].defined()) continue;
    check(biases[i].shape() == Shape{weight.size(0)} && biases[i].dtype() == dtype,
          "bias {}, {} {}, must be {} ({},): weight is {}", i, biases[i].dtype(), biases[i].shape(),
          dtype, weight.size(0), weight.shape());
  }
}

}  // namespace lookback
