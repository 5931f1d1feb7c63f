#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x's elements, in row-major order, with another shape; one size may be -1: it follows from the
// others. A view where x's strides allow it, else a copy. Throws when the numbers of elements
// differ.
Tensor reshape(const Tensor& x, const Shape& shape);

}  // namespace lookback
