// Functions of one tensor, element by element; the formulas are those of kernels/unary.h. All but
// negate throw for integers.
#pragma once

#include "kernels/unary.h"
#include "runtime/tensor.h"

namespace lookback {

// e^x. Saves the result.
Tensor exp(const Tensor& x);
// ln x: -infinity at 0, NaN below. Saves x.
Tensor log(const Tensor& x);
// The square root of x. Saves the result.
Tensor sqrt(const Tensor& x);
// 1 / sqrt(x). Saves the result.
Tensor rsqrt(const Tensor& x);
// 1 / (1 + e^-x) (the logistic function). Saves the result.
Tensor sigmoid(const Tensor& x);
// The hyperbolic tangent of x. Saves the result.
Tensor tanh(const Tensor& x);
// x / (1 + e^-x) (Elfwing et al. 2017; swish). Saves x.
Tensor silu(const Tensor& x);

using kernels::GeluForm;
// The Gaussian error linear unit (Hendrycks & Gimpel 2016): x Phi(x), exact by erfc, or in the form
// with tanh that many models were trained with. Saves x.
Tensor gelu(const Tensor& x, GeluForm form = GeluForm::exact);

// x where it lies in [-limit, limit], else the nearer end, through which no gradient goes. Saves x.
// Throws unless limit > 0.
Tensor clamp(const Tensor& x, double limit);

// x + 1 for x >= 0, e^x below: positive features of linear attention. Saves the result.
Tensor elu_plus_one(const Tensor& x);

// -x. Saves nothing.
Tensor negate(const Tensor& x);
inline Tensor operator-(const Tensor& x) { return negate(x); }

}  // namespace lookback
