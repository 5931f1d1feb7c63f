#pragma once

#include "runtime/tensor.h"

namespace lookback {

// x ^ exponent, element by element; NaN for x < 0 unless the exponent is whole. Saves x. Throws for
// integers. The exponent is not rounded to bf16.
Tensor power(const Tensor& x, double exponent);
// The same with exponents that may be learned, broadcast by numpy's rule; one floating dtype. The
// gradient to the exponent is dy y ln x, and 0 where x is 0 and the exponent at least that. Saves
// both.
Tensor power(const Tensor& x, const Tensor& exponent);

}  // namespace lookback
