#pragma once

#include "nn/module.h"
#include "nn/precision.h"
#include "nn/residual_sum.h"

namespace lookback {

// Root mean square normalization with a learned gain. weight: [dimension].
class RmsNorm final : public Module {
 public:
  // readers: products of that kind alone read what is normed, and one made the update of the sum.
  RmsNorm(ChildOf place, std::int64_t dimension, double epsilon, Precision precision,
          Products readers = Products::native);

  struct Normalized {
    Tensor sum;     // the residual stream's value, stream + update
    Tensor normed;  // rms_norm(sum)
  };
  Normalized forward(const ResidualSum& x) const;
  Tensor forward(const Tensor& x) const;

  Tensor weight;

 private:
  double epsilon_;
  Products readers_;
};

}  // namespace lookback
