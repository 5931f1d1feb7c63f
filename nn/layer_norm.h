#pragma once

#include "nn/module.h"
#include "nn/precision.h"

namespace lookback {

// Layer normalization (Ba et al. 2016) over the last dimension, with a learned gain and bias:
//   y = (x - mean(x)) / sqrt(variance(x) + epsilon) weight + bias
// with the variance that divides by the dimension. weight, bias: [dimension].
class LayerNorm final : public Module {
 public:
  LayerNorm(ChildOf place, std::int64_t dimension, double epsilon, Precision precision);
  Tensor forward(const Tensor& x) const;

  Tensor weight, bias;

 private:
  double epsilon_;
};

}  // namespace lookback
