// The gated activation of Llama's MLP (Shazeer 2020, SwiGLU):
//   y[r, f] = silu(gate[r, f]) * up[r, f],  silu(z) = z / (1 + e^-z)
// gate, up: [rows, F], the last dimension contiguous, rows at any stride, so that both may be
// halves of one product's result; y: the same. Arithmetic in the accumulator dtype. y may be bf16
// where gate and up are f32, rounded once: for products that would round it.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct SiluMulForwardArgs {
  In gate, up;
  Out y;
  static constexpr auto dependency =
      elementwise(&SiluMulForwardArgs::y, &SiluMulForwardArgs::gate, &SiluMulForwardArgs::up);
};

// With s = 1 / (1 + e^-gate): dgate = dy up s (1 + gate (1 - s)), dup = dy gate s. Operands as
// above; dy, dgate and dup have y's dtype.
struct SiluMulBackwardArgs {
  In dy, gate, up;
  Out dgate, dup;
};

// Filled by kernels/cpu/silu_mul.cpp and kernels/cuda/silu_mul.cu.
inline Slot<SiluMulForwardArgs> silu_mul_forward{"silu_mul_forward"};
inline BackwardSlot<SiluMulBackwardArgs> silu_mul_backward{"silu_mul_backward"};

}  // namespace lookback::kernels
