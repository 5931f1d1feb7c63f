#pragma once

#include "runtime/tensor.h"

namespace lookback {

// a + b, broadcast by numpy's rule, one dtype. Saves nothing. Throws where they do not broadcast.
Tensor add(const Tensor& a, const Tensor& b);
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }

}  // namespace lookback
