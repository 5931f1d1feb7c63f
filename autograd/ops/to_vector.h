#pragma once

#include <vector>

#include "runtime/tensor.h"

namespace lookback {

// The elements of x in row-major order, whatever its floating dtype, strides and device.
std::vector<double> to_vector(const Tensor& x);

}  // namespace lookback
