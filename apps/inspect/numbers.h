// Tensors as plain numbers, to measure and to write down.
#pragma once

#include <span>

#include "apps/diagnosis/tensor_numbers.h"
#include "runtime/tensor.h"

namespace lookback {

// sqrt of the sum of squares.
double norm(std::span<const double> values);
double norm(const Tensor& x);

// The same numbers in memory of their own, without their gradient history.
Tensor values_of(const Tensor& x);

}  // namespace lookback
