// Arithmetic, element by element; the formulas are those of kernels/binary.h. What takes two
// tensors broadcasts by numpy's rule, and throws where they do not broadcast or are not of one
// dtype.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

// scale * x + shift with two plain numbers: what the operators below make of a tensor and a number.
// The numbers are not rounded to bf16. Saves nothing. Throws for integers.
Tensor affine(const Tensor& x, double scale, double shift);

// a + b. Saves nothing.
Tensor add(const Tensor& a, const Tensor& b);
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator+(const Tensor& a, double b) { return affine(a, 1, b); }
inline Tensor operator+(double a, const Tensor& b) { return affine(b, 1, a); }

// a - b. Saves nothing.
Tensor subtract(const Tensor& a, const Tensor& b);
inline Tensor operator-(const Tensor& a, const Tensor& b) { return subtract(a, b); }
inline Tensor operator-(const Tensor& a, double b) { return affine(a, 1, -b); }
inline Tensor operator-(double a, const Tensor& b) { return affine(b, -1, a); }

// a * b. Saves a where b needs a gradient and b where a does.
Tensor multiply(const Tensor& a, const Tensor& b);
inline Tensor operator*(const Tensor& a, const Tensor& b) { return multiply(a, b); }
inline Tensor operator*(const Tensor& a, double b) { return affine(a, b, 0); }
inline Tensor operator*(double a, const Tensor& b) { return affine(b, a, 0); }

// a / b. Saves b, and the result where b needs a gradient. Throws for integers.
Tensor divide(const Tensor& a, const Tensor& b);
inline Tensor operator/(const Tensor& a, const Tensor& b) { return divide(a, b); }
// Times 1 / b: may differ from the quotient in the last bit.
inline Tensor operator/(const Tensor& a, double b) { return affine(a, 1 / b, 0); }

// x ^ exponent; NaN for x < 0 unless the exponent is whole. Saves x. Throws for integers. The
// exponent is not rounded to bf16.
Tensor power(const Tensor& x, double exponent);
// The same with exponents that may be learned. The gradient to the exponent is dy y ln x, and 0
// where x is 0 and the exponent at least that. Saves both. Throws for integers.
Tensor power(const Tensor& x, const Tensor& exponent);

}  // namespace lookback
