// Any tensor as a matrix of rows, for kernels that work on rows.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x [.., D] as [rows, D], rows at one stride (D at least, where there are several), columns
// contiguous: the same memory where its strides allow that, else a copy. Without gradient history:
// for the operands of kernels. x has at least one dimension.
Tensor as_rows(const Tensor& x);

}  // namespace lookback
