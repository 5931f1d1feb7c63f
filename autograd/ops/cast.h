#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x in another dtype; x itself where it has that dtype. Between floating dtypes rounded to nearest
// and differentiable: the gradient is cast back. To integers the fraction is cut off; to and from
// integers there is no gradient: throws where x requires one.
Tensor cast(const Tensor& x, DType dtype);

}  // namespace lookback
