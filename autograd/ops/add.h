#pragma once

#include "autograd/ops/affine.h"

namespace lookback {

// a + b, broadcast by numpy's rule, one dtype. Saves nothing. Throws where they do not broadcast.
Tensor add(const Tensor& a, const Tensor& b);
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator+(const Tensor& a, double b) { return affine(a, 1, b); }
inline Tensor operator+(double a, const Tensor& b) { return affine(b, 1, a); }

}  // namespace lookback
