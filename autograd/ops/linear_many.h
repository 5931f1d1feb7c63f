#pragma once

#include <vector>

#include "autograd/ops/products.h"
#include "runtime/tensor.h"

namespace lookback {

// Several linear() of one x: y_i = x weights[i]^T + biases[i], with the bits of the separate ones,
// and one node: backward adds the parts of dx up inside the products,
//   dx = sum_i dy_i weights[i],  dweights[i] = dy_i^T x,
// where separate nodes would add tensors of x's size. x [.., K] with rows at any stride, weights
// [N_i, K], at least one; biases: none at all, or one entry to each weight, [N_i] or undefined; one
// floating dtype -> each [.., N_i] contiguous. Saves x, as the products read it, and the weights.
// Throws for other shapes, and for Products::bfloat16 with other dtypes than float32; x may then be
// bfloat16 already, and so is its gradient, rounded once.
std::vector<Tensor> linear_many(const Tensor& x, const std::vector<Tensor>& weights,
                                const std::vector<Tensor>& biases = {},
                                Products products = Products::native);

}  // namespace lookback
