// Arithmetic of two tensors, element by element, broadcast by numpy's rule; and of a tensor with
// plain numbers.
//
//   add        y = a + b
//   subtract   y = a - b
//   multiply   y = a b
//   divide     y = a / b      floating dtypes only
//   affine     y = scale x + shift: two roundings, no fused multiply-add
//   power      y = x^p, p an operand or one constant; as C's pow: NaN for x < 0 unless p is whole
//              dx = dy p x^(p - 1), 0 where p is 0
//              dp = dy y ln x, 0 where x is 0 and p >= 0
//
// a, b: any strides, one dtype; y: contiguous, its shape the broadcast of both; it may be the
// memory of a or b where their shapes are equal. affine: x and y of any strides and one shape.
// Computed in the accumulator dtype, to which plain numbers are rounded first; affine and power
// take floating dtypes only. The gradients of the others are made of these operations
// (autograd/ops/binary.cpp).
//
// A new member: a slot here, a function in kernels/cpu/binary.cpp, one in kernels/cuda/binary.cu,
// and what callers see in autograd/ops/binary.h.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

// `absorbed`: what makes y known whatever the other operand is.
template <Absorbs absorbed>
struct BinaryForwardArgs {
  In a, b;
  Out y;
  static constexpr auto dependency =
      elementwise(&BinaryForwardArgs::y, &BinaryForwardArgs::a, &BinaryForwardArgs::b)
          .absorbing(absorbed);
};

// Filled by kernels/cpu/binary.cpp and kernels/cuda/binary.cu.
inline Slot<BinaryForwardArgs<Absorbs::minus_infinity>> add_forward{"add_forward"};
inline Slot<BinaryForwardArgs<Absorbs::nothing>> subtract_forward{"subtract_forward"};
inline Slot<BinaryForwardArgs<Absorbs::zero>> multiply_forward{"multiply_forward"};
inline Slot<BinaryForwardArgs<Absorbs::nothing>> divide_forward{"divide_forward"};

struct AffineForwardArgs {
  In x;
  Out y;
  double scale, shift;
  static constexpr auto dependency = elementwise(&AffineForwardArgs::y, &AffineForwardArgs::x);
};

inline Slot<AffineForwardArgs> affine_forward{"affine_forward"};

struct PowerForwardArgs {
  In x, exponent;  // exponent absent: `constant`
  Out y;
  double constant;
  static constexpr auto dependency =
      elementwise(&PowerForwardArgs::y, &PowerForwardArgs::x, &PowerForwardArgs::exponent);
};

// dx and dexponent have y's shape, before broadcasting is undone; absent where not needed.
struct PowerBackwardArgs {
  In dy, x, exponent;
  Out dx, dexponent;
  double constant;
};

inline Slot<PowerForwardArgs> power_forward{"power_forward"};
inline BackwardSlot<PowerBackwardArgs> power_backward{"power_backward"};

}  // namespace lookback::kernels
