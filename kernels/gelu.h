// The Gaussian error linear unit (Hendrycks & Gimpel 2016).
//   exact:  y = x Phi(x), Phi the distribution function of the standard normal: erfc(-x/sqrt 2) / 2
//   tanh:   y = x (1 + tanh(u)) / 2 = x / (1 + e^-2u), u = sqrt(2/pi) (x + 0.044715 x^3)
// x, y: contiguous, one shape, one floating dtype; computed in the accumulator dtype.
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

enum class GeluForm { exact, tanh };

struct GeluForward {
  In x;
  Out y;
  GeluForm form;
  static constexpr auto dependency = elementwise(&GeluForward::y, &GeluForward::x);
};

// exact: dx = dy (Phi(x) + x phi(x)), phi the density of the standard normal.
// tanh:  dx = dy s (1 + x (1 - s) 2 du/dx), s = 1 / (1 + e^-2u).
struct GeluBackward {
  In dy, x;
  Out dx;
  GeluForm form;
};

inline Slot<GeluForward> gelu_forward{"gelu_forward"};
inline BackwardSlot<GeluBackward> gelu_backward{"gelu_backward"};

}  // namespace lookback::kernels
