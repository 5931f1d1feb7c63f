// y = scale * x + shift. x, y: any strides, one shape, one floating dtype. Computed in the
// accumulator dtype, to which scale and shift are rounded first; two roundings, no fused
// multiply-add.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct AffineForward {
  In x;
  Out y;
  double scale, shift;
  static constexpr auto dependency = elementwise(&AffineForward::y, &AffineForward::x);
};

inline Slot<AffineForward> affine_forward{"affine_forward"};

}  // namespace lookback::kernels
