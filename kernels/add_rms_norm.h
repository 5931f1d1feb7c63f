// A residual addition and the norm that reads it, in one pass over memory:
//   h[r, d] = x[r, d] + a[r, d]
//   y[r, d] = h[r, d] * inverse_rms[r] * weight[d]
//   inverse_rms[r] = 1 / sqrt(mean_d h[r, d]^2 + epsilon)
// x, a, h, y: [rows, columns], columns contiguous, rows at any stride; the rest, and the dtypes, as
// in kernels/rms_norm.h, whose backward kernel, given dh as dsum, makes the gradient that x and a
// share.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct AddRmsNormForwardArgs {
  In x, a, weight;
  Out h, y, inverse_rms;
  double epsilon;
  static constexpr auto dependency =
      each_row(outputs(&AddRmsNormForwardArgs::h, &AddRmsNormForwardArgs::y,
                       &AddRmsNormForwardArgs::inverse_rms),
               rows(&AddRmsNormForwardArgs::x, &AddRmsNormForwardArgs::a),
               shared(&AddRmsNormForwardArgs::weight));
};

// Filled by kernels/cpu/rms_norm.cpp and kernels/cuda/add_rms_norm.cu.
inline Slot<AddRmsNormForwardArgs> add_rms_norm_forward{"add_rms_norm_forward"};

}  // namespace lookback::kernels
