#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x[.., begin:end, ..] along `dim` (negative: from the end); a view. Throws unless
// 0 <= begin <= end <= x.size(dim).
Tensor slice(const Tensor& x, int dim, std::int64_t begin, std::int64_t end);

}  // namespace lookback
