// How the operands of matrix products reach the kernels.
#pragma once

#include <vector>

#include "autograd/ops/products.h"
#include "runtime/tensor.h"

namespace lookback {

// A matrix as an operand of a product: itself, or a copy rounded to bfloat16 where it is not.
Tensor product_operand(const Tensor& matrix, Products products);
// The same of a weight, whose copy may be kept (rounded_weights.h).
Tensor weight_operand(const Tensor& weight, Products products);

// The matrix with its dimensions exchanged: a view without gradient history, for kernels.
Tensor transposed_matrix(const Tensor& matrix);

// y = alpha a b, of matrices.
void multiply_into(const Tensor& y, const Tensor& a, const Tensor& b, double alpha = 1.0);

// The dtype of the weights beside an operand: where products round, it may be rounded already.
DType master_dtype(DType operand, Products products);

// The rows of a gradient of a product's result in `dtype`: as they are, or widened where the
// products of backward would not round what came rounded.
Tensor gradient_rows(const Tensor& dy, DType dtype, Products products);

// Throws for Products::bfloat16 with a dtype other than float32.
void check_products(const Check& check, DType dtype, Products products);

// Throws where an operation of one x, weights [N_i, K] and biases (none at all, or one entry to
// each weight, [N_i] or undefined) is given other shapes or dtypes; x may be rounded already.
void check_weights_of_one(const Check& check, const Tensor& x, const std::vector<Tensor>& weights,
                          const std::vector<Tensor>& biases, Products products);

}  // namespace lookback
