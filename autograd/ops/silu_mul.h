#pragma once

#include "runtime/tensor.h"

namespace lookback {

// silu(gate) * up, the gated activation of Llama's MLP (Shazeer 2020), silu(z) = z / (1 + e^-z).
// gate, up [.., F], one shape and floating dtype -> [.., F]. Saves gate and up. Rows may lie at any
// stride. Throws for other shapes.
Tensor silu_mul(const Tensor& gate, const Tensor& up);

// The same of one tensor [.., 2F], as a fused projection makes it: the first half of each row is
// the gate, the second is up -> [.., F]. Throws where the last size is odd.
Tensor silu_mul(const Tensor& gate_up);

}  // namespace lookback
