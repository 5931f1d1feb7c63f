#pragma once

#include "runtime/tensor.h"

namespace lookback {

// y[.., j, ..] = x[.., index[.., j, ..], ..] along `dim` (negative: from the end). index: i64, x's
// shape but along `dim`, where it may have any size; y has index's shape. The gradient of an
// element is the sum over its uses, in their order. Saves the index. Throws for an index out of
// range.
Tensor gather(const Tensor& x, int dim, const Tensor& index);

}  // namespace lookback
