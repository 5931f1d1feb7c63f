// Numbers of tensors, as checks look at them. Of any floating dtype and strides.
#pragma once

#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace lookback {

// In row-major order.
std::vector<double> numbers_of(const Tensor& x);
// Throws Error where the shapes differ. max |a - b|; NaN where one is NaN.
double largest_difference(const Tensor& a, const Tensor& b);
// max |x|, NaN where one is NaN; 0 for an undefined tensor.
double largest_number(const Tensor& x);
// sqrt of the sum of squares; 0 for an undefined tensor.
double norm_of(const Tensor& x);

}  // namespace lookback
