#include "autograd/ops/products.h"

#include "kernels/copy.h"

namespace lookback {

Tensor product_operand(const Tensor& matrix, Products products) {
  if (products == Products::native) return matrix;
  const auto rounded = empty(matrix.shape(), DType::bf16, matrix.device());
  kernels::copy_forward(matrix.backend(), {.x = matrix, .y = rounded});
  return rounded;
}

void check_products(const Check& check, DType dtype, Products products) {
  check(products == Products::native || dtype == DType::f32,
        "products in bfloat16 are made of float32 tensors, not {}", dtype);
}

}  // namespace lookback
