// How numbers of tensors are compared and measured. Of any floating dtype, strides and device.
#pragma once

#include "autograd/ops/to_vector.h"

namespace lookback {

// Throws Error where the shapes differ. max |a - b|; NaN where one is NaN.
double largest_difference(const Tensor& a, const Tensor& b);
// max |x|, NaN where one is NaN; 0 for an undefined tensor.
double largest_number(const Tensor& x);
// sqrt of the sum of squares; 0 for an undefined tensor.
double norm_of(const Tensor& x);

}  // namespace lookback
