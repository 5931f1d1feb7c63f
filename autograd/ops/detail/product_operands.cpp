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

}  // namespace lookback
