// Tensors as plain numbers, to measure and to write down.
#pragma once

#include <span>

#include "apps/diagnosis/tensor_numbers.h"
#include "runtime/tensor.h"

namespace lookback {

// sqrt of the sum of squares.
double norm(std::span<const double> values);

// The same numbers in memory of their own that the host can read, without their gradient history.
Tensor own_copy(const Tensor& x);

}  // namespace lookback
