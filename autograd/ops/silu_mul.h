#pragma once

#include "autograd/ops/products.h"
#include "runtime/tensor.h"

namespace lookback {

// silu(gate) * up, the gated activation of Llama's MLP (Shazeer 2020), silu(z) = z / (1 + e^-z).
// gate, up [.., F], one shape and floating dtype -> [.., F]. Saves gate and up. Rows may lie at any
// stride. Throws for other shapes.
Tensor silu_mul(const Tensor& gate, const Tensor& up);

// The same of one tensor [.., 2F], as a fused projection makes it: the first half of each row is
// the gate, the second is up -> [.., F]. For Products::bfloat16, a product of that kind made
// gate_up, and such products alone read the result: the result, and the gradient of gate_up, are
// rounded to bfloat16 here. Throws where the last size is odd, and for Products::bfloat16 with
// other dtypes than float32.
Tensor silu_mul(const Tensor& gate_up, Products around = Products::native);

}  // namespace lookback
