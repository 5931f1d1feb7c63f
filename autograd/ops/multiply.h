#pragma once

#include "autograd/ops/affine.h"

namespace lookback {

// a * b, broadcast by numpy's rule, one dtype. Saves a where b needs a gradient and b where a does.
// Throws where they do not broadcast.
Tensor multiply(const Tensor& a, const Tensor& b);
inline Tensor operator*(const Tensor& a, const Tensor& b) { return multiply(a, b); }
inline Tensor operator*(const Tensor& a, double b) { return affine(a, b, 0); }
inline Tensor operator*(double a, const Tensor& b) { return affine(b, a, 0); }

}  // namespace lookback
