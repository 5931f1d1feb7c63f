// One step of AdamW (Loshchilov & Hutter 2019) over a list of parameters, with clipping folded in.
// Per element, t the number of this step from 1:
//   g = gradient_scale clip gradient
//   clip = min(1, max_norm / (gradient_scale norm)), 1 where norm is absent or max_norm 0
//   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
//   w = keep w - learning_rate (m / correction1) / (sqrt(v / correction2) + epsilon)
// keep = 1 - learning_rate * decay (one decay per parameter), correction1 = 1 - beta1^t,
// correction2 = 1 - beta2^t.
// What changes from step to step is read where it lies, so that the same call can be repeated by a
// GPU alone: `numbers`, [4] f64, holds an AdamWNumbers; `norm`, one f64, that of all gradients as
// they are: where it is not finite the step changes nothing. The four lists have equal lengths and,
// entry by entry, equal shapes; all f32 or all f64, contiguous. Computed in their dtype. `rounded`:
// empty, or for each parameter where w is written in bf16 too, absent where it is not.
#pragma once

#include <vector>

#include "kernels/core/slot.h"
#include "runtime/host_device.h"

namespace lookback::kernels {

struct AdamWNumbers {
  double learning_rate, gradient_scale, correction1, correction2;
};

struct AdamWStep {
  InOutList parameters{}, first_moments{}, second_moments{};
  InList gradients{};
  OutList rounded{};
  In numbers, norm = {};
  std::vector<double> decay{};
  double beta1, beta2, epsilon;
  double max_norm = 0;
};

LOOKBACK_HOST_DEVICE inline AdamWNumbers adamw_numbers(const double* values) {
  return {values[0], values[1], values[2], values[3]};
}

// What all gradients are multiplied by, for a finite norm.
LOOKBACK_HOST_DEVICE inline double clipped_scale(double gradient_scale, double max_norm,
                                                 double norm) {
  const double scaled = gradient_scale * norm;
  return max_norm > 0 && scaled > max_norm ? gradient_scale * (max_norm / scaled) : gradient_scale;
}

// Filled by kernels/cpu/adamw.cpp and kernels/cuda/adamw.cu.
inline UpdateSlot<AdamWStep> adamw_step{"adamw_step"};

}  // namespace lookback::kernels
