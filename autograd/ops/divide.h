#pragma once

#include "autograd/ops/affine.h"

namespace lookback {

// a / b, broadcast by numpy's rule, one floating dtype. Saves b, and the result where b needs a
// gradient. Throws for integers and where they do not broadcast.
Tensor divide(const Tensor& a, const Tensor& b);
inline Tensor operator/(const Tensor& a, const Tensor& b) { return divide(a, b); }
// Times 1 / b: may differ from the quotient in the last bit.
inline Tensor operator/(const Tensor& a, double b) { return affine(a, 1 / b, 0); }

}  // namespace lookback
