#pragma once

#include "autograd/ops/binary.h"
#include "nn/residual_sum.h"

namespace lookback {

// x to the bit, for finite x; backward multiplies its gradient by `factor`.
inline Tensor scale_gradient(const Tensor& x, double factor) {
  return x + (x - x.detach()) * (factor - 1);
}

inline ResidualSum scale_gradient(const ResidualSum& x, double factor) {
  return {scale_gradient(x.stream, factor),
          x.update.defined() ? scale_gradient(x.update, factor) : Tensor{}};
}

}  // namespace lookback
