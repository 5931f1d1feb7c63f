// One step of AdamW (Loshchilov & Hutter 2019) over a list of parameters, with the clipping factor
// folded in. Per element, t the number of this step from 1:
//   g = gradient_scale * gradient
//   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
//   w = keep w - learning_rate (m / correction1) / (sqrt(v / correction2) + epsilon)
// keep = 1 - learning_rate * decay (one per parameter), correction1 = 1 - beta1^t, correction2 =
// 1 - beta2^t. The four lists have equal lengths and, entry by entry, equal shapes; all f32 or all
// f64, contiguous. Computed in their dtype.
#pragma once

#include <vector>

#include "kernels/slot.h"

namespace lookback::kernels {

struct AdamWStep {
  InOutList parameters{}, first_moments{}, second_moments{};
  InList gradients{};
  std::vector<double> keep{};
  double learning_rate, beta1, beta2, epsilon, gradient_scale, correction1, correction2;
};

inline UpdateSlot<AdamWStep> adamw_step{"adamw_step"};

}  // namespace lookback::kernels
