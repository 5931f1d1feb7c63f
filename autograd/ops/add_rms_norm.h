#pragma once

#include "autograd/ops/products.h"
#include "runtime/tensor.h"

namespace lookback {

struct AddRmsNormResult {
  Tensor sum;     // x + a
  Tensor normed;  // rms_norm(sum, weight, epsilon)
};

// A residual addition and the norm that reads it, in one pass over memory; backward joins the
// gradients of both results in one pass too. x, a [.., D] of one shape, rows at any stride, weight
// [D], one floating dtype. Saves the sum, weight and one number per row. For Products::bfloat16,
// products of that kind alone read `normed`, and one made a: normed, and the gradient of a, are
// rounded to bfloat16 here. Throws on other shapes, and for Products::bfloat16 with other dtypes
// than float32.
AddRmsNormResult add_rms_norm(const Tensor& x, const Tensor& a, const Tensor& weight,
                              double epsilon, Products readers = Products::native);

}  // namespace lookback
