// Analytic gradients against central differences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace lookback {

using CheckedFunction = std::function<Tensor(const std::vector<Tensor>& inputs)>;

struct GradcheckResult {
  bool passed = true;
  double worst_ratio = 0;  // error over its bound: at most 1 when passed
  std::string message;     // which input and element was worst
};

// Compares, for every floating input that requires a gradient, backward of sum(fn(inputs) * w),
// w fixed random weights, with central differences of step 1e-5. Per input
//   max |analytic - numeric| <= 1e-6 max(max |numeric|, 1e-3 max |output|);
// empty inputs pass. Every floating input must be f64: throws otherwise, for in f32 the differences
// are noise. Inputs are changed in place and put back; they may be non-contiguous, but their
// elements must not overlap.
GradcheckResult gradcheck(const CheckedFunction& fn, const std::vector<Tensor>& inputs);

}  // namespace lookback
