#pragma once

#include <vector>

#include "runtime/tensor.h"

namespace lookback {

// Tensors of one shape and dtype next to each other along a new dimension `dim` of the result
// (negative: from its end): cat() of views with a dimension of size one.
Tensor stack(const std::vector<Tensor>& tensors, int dim);

}  // namespace lookback
