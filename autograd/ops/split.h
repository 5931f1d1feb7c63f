#pragma once

#include <vector>

#include "runtime/tensor.h"

namespace lookback {

// x cut along `dim` (negative: from the end) into parts of these sizes, one after the other: views.
// One node: its backward is one cat() of the parts' gradients. Throws unless the sizes are not
// negative and sum to x.size(dim).
std::vector<Tensor> split(const Tensor& x, int dim, const std::vector<std::int64_t>& sizes);

}  // namespace lookback
