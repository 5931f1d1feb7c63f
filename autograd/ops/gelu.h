#pragma once

#include "kernels/gelu.h"
#include "runtime/tensor.h"

namespace lookback {

using kernels::GeluForm;

// The Gaussian error linear unit (Hendrycks & Gimpel 2016): x Phi(x), exact by erfc, or in the form
// with tanh that many models were trained with. Saves x. Throws for integers.
Tensor gelu(const Tensor& x, GeluForm form = GeluForm::exact);

}  // namespace lookback
