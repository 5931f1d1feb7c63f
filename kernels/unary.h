// Functions of one tensor, element by element: y = f(x), dx = dy f'(x).
//
//   exp       y = e^x                                              dx = dy y (a product)
//   log       y = ln x: -infinity at 0, NaN below                  dx = dy / x (a quotient)
//   sqrt      y = the square root of x                             dx = dy / (2 y) (a quotient)
//   rsqrt     y = 1 / sqrt(x)                                      dx = -dy y^3 / 2
//   sigmoid   y = 1 / (1 + e^-x), the logistic function            dx = dy y (1 - y)
//   tanh      y = the hyperbolic tangent of x                      dx = dy (1 - y^2)
//   silu      y = x s, s = 1 / (1 + e^-x) (Elfwing et al. 2017)    dx = dy s (1 + x (1 - s))
//   negate    y = -x                                               dx = -dy
//   clamp     y = x within [-limit, limit], else that limit        dx = dy within, 0 outside
//
//   elu_plus_one (Katharopoulos et al. 2020; not elu(x) + 1, which cancels in bf16)
//             y = x + 1 for x >= 0, e^x below                      dx = dy, dy y below 0
//
//   gelu (Hendrycks & Gimpel 2016)
//     exact   y = x Phi(x)                                         dx = dy (Phi(x) + x phi(x))
//     tanh    y = x (1 + tanh(u)) / 2 = x s, s = 1 / (1 + e^-2u)   dx = dy s (1 + 2 x (1 - s) u')
//             where u = sqrt(2 / pi) (x + 0.044715 x^3)
//
// Phi(x) = erfc(-x / sqrt 2) / 2 and phi: the distribution function and the density of the standard
// normal. A NaN stays NaN under clamp. x, y, dy, dx: contiguous, one shape, one floating dtype;
// computed in the accumulator dtype. negate takes any strides and any dtype. Backward reads x or y,
// whichever its formula names.
//
// A new member: a slot here (two, where its gradient is not made of other operations), a function
// in kernels/cpu/unary.cpp, one in kernels/cuda/unary.cu, and what callers see in
// autograd/ops/unary.h.
#pragma once

#include <numbers>

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct UnaryForwardArgs {
  In x;
  Out y;
  static constexpr auto dependency = elementwise(&UnaryForwardArgs::y, &UnaryForwardArgs::x);
};

struct UnaryBackwardArgs {
  In dy, saved;  // saved: x or y
  Out dx;
};

// Filled by kernels/cpu/unary.cpp and kernels/cuda/unary.cu.
inline Slot<UnaryForwardArgs> exp_forward{"exp_forward"};
inline Slot<UnaryForwardArgs> log_forward{"log_forward"};
inline Slot<UnaryForwardArgs> sqrt_forward{"sqrt_forward"};
inline Slot<UnaryForwardArgs> rsqrt_forward{"rsqrt_forward"};
inline Slot<UnaryForwardArgs> sigmoid_forward{"sigmoid_forward"};
inline Slot<UnaryForwardArgs> tanh_forward{"tanh_forward"};
inline Slot<UnaryForwardArgs> silu_forward{"silu_forward"};
inline Slot<UnaryForwardArgs> negate_forward{"negate_forward"};
inline Slot<UnaryForwardArgs> elu_plus_one_forward{"elu_plus_one_forward"};

inline BackwardSlot<UnaryBackwardArgs> rsqrt_backward{"rsqrt_backward"};                // saved: y
inline BackwardSlot<UnaryBackwardArgs> sigmoid_backward{"sigmoid_backward"};            // saved: y
inline BackwardSlot<UnaryBackwardArgs> tanh_backward{"tanh_backward"};                  // saved: y
inline BackwardSlot<UnaryBackwardArgs> silu_backward{"silu_backward"};                  // saved: x
inline BackwardSlot<UnaryBackwardArgs> elu_plus_one_backward{"elu_plus_one_backward"};  // saved: y

enum class GeluForm { exact, tanh };

struct GeluForwardArgs {
  In x;
  Out y;
  GeluForm form;
  static constexpr auto dependency = elementwise(&GeluForwardArgs::y, &GeluForwardArgs::x);
};

struct GeluBackwardArgs {
  In dy, x;
  Out dx;
  GeluForm form;
};

inline Slot<GeluForwardArgs> gelu_forward{"gelu_forward"};
inline BackwardSlot<GeluBackwardArgs> gelu_backward{"gelu_backward"};

struct ClampForwardArgs {
  In x;
  Out y;
  double limit;
  static constexpr auto dependency = elementwise(&ClampForwardArgs::y, &ClampForwardArgs::x);
};

struct ClampBackwardArgs {
  In dy, x;
  Out dx;
  double limit;
};

inline Slot<ClampForwardArgs> clamp_forward{"clamp_forward"};
inline BackwardSlot<ClampBackwardArgs> clamp_backward{"clamp_backward"};

// 2 u = gelu_linear x + gelu_cubic x^3
inline constexpr double gelu_linear = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
inline constexpr double gelu_cubic = gelu_linear * 0.044715;
inline constexpr double normal_density_at_0 = std::numbers::inv_sqrtpi / std::numbers::sqrt2;

}  // namespace lookback::kernels
