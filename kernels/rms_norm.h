// Root mean square normalization (Zhang & Sennrich 2019, eq. 4):
//   y[r, d] = x[r, d] * inverse_rms[r] * weight[d]
//   inverse_rms[r] = 1 / sqrt(mean_d x[r, d]^2 + epsilon)
// x, y: [rows, columns], columns contiguous, rows at any stride; weight: [columns] contiguous;
// inverse_rms: [rows] in the accumulator dtype, kept for backward. Sums in f32 for f32 and bf16, in
// f64 for f64. All of one dtype, but that y may be bf16 where x is f32, rounded once: for products
// that would round it. Each row depends on itself.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct RmsNormForwardArgs {
  In x, weight;
  Out y, inverse_rms;
  double epsilon;
  static constexpr auto dependency =
      each_row(outputs(&RmsNormForwardArgs::y, &RmsNormForwardArgs::inverse_rms),
               rows(&RmsNormForwardArgs::x), shared(&RmsNormForwardArgs::weight));
};

// dx = r (w dy - x r^2 mean_d(w dy x)) + dsum, dweight = sum over rows of dy x r; r = inverse_rms.
// dsum [rows, columns] is a gradient that reached x by another way; it may be absent (zero).
// dweight is absent where it is not needed. It is made of the sums of neighboring rows, which are
// added up in order; workspace: u8, as many as workspace_bytes() says. dy has y's dtype; dsum, dx
// and dweight have x's. dx_rounded, where it is wanted and x is f32: dx in bf16.
struct RmsNormBackwardArgs {
  In dy, x, weight, inverse_rms, dsum;
  Out dx, dx_rounded, dweight, workspace;
};

// Filled by kernels/cpu/rms_norm.cpp and kernels/cuda/rms_norm.cu.
inline Slot<RmsNormForwardArgs> rms_norm_forward{"rms_norm_forward"};
inline BackwardSlot<RmsNormBackwardArgs> rms_norm_backward{"rms_norm_backward"};

}  // namespace lookback::kernels
