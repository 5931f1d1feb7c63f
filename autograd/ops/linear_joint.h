#pragma once

#include <vector>

#include "autograd/ops/products.h"
#include "runtime/tensor.h"

namespace lookback {

// linear() of one x and weights on top of each other, without joining them: with N = sum_i N_i
//   y[.., n_i + n] = sum_k x[.., k] weights[i][n, k] + biases[i][n],  n_i = N_0 + .. + N_{i - 1}
// Where the weights lie one after the other in memory (RowsOfOne) that is one product, and so are
// dx and all dweights, which are rows of one tensor; elsewhere one product for each weight.
// x [.., K] with rows at any stride, weights [N_i, K], at least one; biases: none at all, or one
// entry to each weight, [N_i] or undefined; one floating dtype -> [.., N] contiguous. Sums in the
// accumulator dtype. Saves x, as the products read it, and the weights. Throws for other shapes,
// and for Products::bfloat16 with other dtypes than float32; x may then be bfloat16 already, and so
// is its gradient, rounded once.
Tensor linear_joint(const Tensor& x, const std::vector<Tensor>& weights,
                    const std::vector<Tensor>& biases = {}, Products products = Products::native);

// Deals out the rows of one fresh matrix [rows, columns], so that what is dealt lies together.
class RowsOfOne {
 public:
  RowsOfOne(std::int64_t rows, std::int64_t columns, DType dtype);
  // The next so many rows: a view.
  Tensor next(std::int64_t rows);

 private:
  Tensor whole_;
  std::int64_t dealt_ = 0;
};

}  // namespace lookback
