#pragma once

#include <vector>

#include "autograd/ops/products.h"
#include "runtime/tensor.h"

namespace lookback {

struct LinearTerm {
  Tensor x;       // [.., K_i], rows at any stride
  Tensor weight;  // [N, K_i]
};

// alpha * sum_i x_i weight_i^T + bias:
//   y[.., n] = alpha * sum_i sum_k x_i[.., k] weight_i[n, k] + bias[n]
// linear() of the x_i side by side and the weights side by side, without joining them: each product
// is added where the result lies. At least one term; all x_i of one shape but for K_i, all weights
// of one N; bias [N] or undefined; one floating dtype -> [.., N] contiguous. Sums in the
// accumulator dtype, rounded once. Saves the terms, each x_i as its product read it. Throws for
// other shapes, and for Products::bfloat16 with other dtypes than float32; each x_i may then be
// bfloat16 already, and so is its gradient, rounded once.
Tensor linear_sum(const std::vector<LinearTerm>& terms, const Tensor& bias = {}, double alpha = 1.0,
                  Products products = Products::native);

}  // namespace lookback
