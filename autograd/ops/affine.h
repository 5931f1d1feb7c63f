#pragma once

#include "runtime/tensor.h"

namespace lookback {

// scale * x + shift with two plain numbers: what the operators make of a tensor and a number
// (add.h, subtract.h, multiply.h, divide.h). The numbers are not rounded to bf16. Saves nothing.
// Throws for integers.
Tensor affine(const Tensor& x, double scale, double shift);

}  // namespace lookback
