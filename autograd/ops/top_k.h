#pragma once

#include "runtime/tensor.h"

namespace lookback {

struct TopK {
  Tensor index;   // i64 [.., k]: where they are, the largest first, of equal ones the lower place
  Tensor chosen;  // x's shape and dtype: 1 at these places, else 0
};

// The k largest of x [.., n] along the last dimension, 1 <= k <= n. NaN counts as larger than any
// number. A choice is not differentiable: throws where x requires a gradient.
TopK top_k(const Tensor& x, std::int64_t k);

}  // namespace lookback
