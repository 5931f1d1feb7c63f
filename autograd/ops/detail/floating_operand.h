// What the elementwise functions of one tensor share.
#pragma once

#include "autograd/ops/contiguous.h"

namespace lookback {

// x, contiguous (differentiably copied where it is not). Throws when x holds integers.
inline Tensor floating_operand(std::string_view operation, const Tensor& x) {
  const Check check{operation};
  check(is_floating(x.dtype()), "x {} must have a floating dtype", x.dtype());
  return contiguous(x);
}

}  // namespace lookback
