#pragma once

#include <vector>

#include "runtime/tensor.h"

namespace lookback {

// y's dimension i is x's dimension dims[i] (negative: from the end); a view. Throws unless dims
// names each dimension once.
Tensor permute(const Tensor& x, const std::vector<int>& dims);

}  // namespace lookback
