#pragma once

#include "runtime/tensor.h"

namespace lookback {

// The slices of x along `dim` (negative: from the end) that index [J] (i64) names, in its order:
// x's shape with J in place of x.size(dim). The gradient of a slice is the sum over its uses, in
// their order. Saves the index. Throws for an index out of range.
Tensor index_select(const Tensor& x, int dim, const Tensor& index);

}  // namespace lookback
