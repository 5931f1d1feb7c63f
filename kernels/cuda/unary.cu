#include "kernels/unary.h"

#include "kernels/cuda/device/elementwise.h"
#include "kernels/cuda/device/logistic.h"

namespace lookback::kernels {
namespace {

struct Exp {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return device::exp(x);
  }
};

struct Log {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return device::log(x);
  }
};

struct Sqrt {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return device::sqrt(x);
  }
};

struct Rsqrt {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return T(1) / device::sqrt(x);
  }
};
struct RsqrtSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T y) const {
    return T(-0.5) * dy * y * y * y;
  }
};

struct Sigmoid {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return device::logistic(x);
  }
};
struct SigmoidSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T y) const {
    return dy * y * (T(1) - y);
  }
};

struct Tanh {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return device::tanh(x);
  }
};
struct TanhSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T y) const {
    return dy * device::fma(-y, y, T(1));
  }
};

struct Silu {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return x * device::logistic(x);
  }
};
struct SiluSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T x) const {
    const T s = device::logistic(x);
    return dy * s * device::fma(x, 1 - s, T(1));
  }
};

struct Negate {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return -x;
  }
};

struct EluPlusOne {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return x < T(0) ? device::exp(x) : x + T(1);
  }
};
struct EluPlusOneSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T y) const {
    return y >= T(1) ? dy : dy * y;
  }
};

// erfc(-x) and not 1 + erf(x), which cancels for negative x.
template <class T>
LOOKBACK_DEVICE T normal_distribution(T x) {
  constexpr double half_root = std::numbers::sqrt2 / 2;
  return T(0.5) * device::erfc(-x * static_cast<T>(half_root));
}

struct ExactGelu {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    return x * normal_distribution(x);
  }
};
struct ExactGeluSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T x) const {
    const T density = static_cast<T>(normal_density_at_0) * device::exp(T(-0.5) * x * x);
    return dy * (normal_distribution(x) + x * density);
  }
};

struct TanhGelu {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    const T slope = device::fma(static_cast<T>(gelu_cubic), x * x, static_cast<T>(gelu_linear));
    return x * device::logistic(x * slope);
  }
};
struct TanhGeluSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T x) const {
    const T linear = static_cast<T>(gelu_linear);
    const T square = x * x;
    const T slope = device::fma(static_cast<T>(gelu_cubic), square, linear);
    const T derivative = device::fma(static_cast<T>(3 * gelu_cubic), square, linear);
    const T s = device::logistic(x * slope);
    return dy * s * (T(1) + x * derivative * (T(1) - s));
  }
};

template <class Function>
void forward(const UnaryForwardArgs& a) {
  map_floating_on_gpu(a.y, Function{}, a.x);
}
template <class Function>
void backward(const UnaryBackwardArgs& a) {
  map_floating_on_gpu(a.dx, Function{}, a.dy, a.saved);
}

void negate(const UnaryForwardArgs& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) { map_on_gpu<T, T>(a.y, Negate{}, a.x); });
}

void gelu(const GeluForwardArgs& a) {
  const UnaryForwardArgs operands{a.x, a.y};
  a.form == GeluForm::exact ? forward<ExactGelu>(operands) : forward<TanhGelu>(operands);
}
void gelu_gradient(const GeluBackwardArgs& a) {
  const UnaryBackwardArgs operands{a.dy, a.x, a.dx};
  a.form == GeluForm::exact ? backward<ExactGeluSlope>(operands)
                            : backward<TanhGeluSlope>(operands);
}

// NaN compares as neither.
template <class Sum>
struct Clamp {
  Sum limit;
  LOOKBACK_DEVICE Sum operator()(Sum x) const {
    return x > limit ? limit : x < -limit ? -limit : x;
  }
};
template <class Sum>
struct ClampSlope {
  Sum limit;
  LOOKBACK_DEVICE Sum operator()(Sum dy, Sum x) const {
    return x > limit || x < -limit ? Sum(0) : dy;
  }
};
void clamp(const ClampForwardArgs& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    map_on_gpu<T, T>(a.y, Clamp<Sum>{static_cast<Sum>(a.limit)}, a.x);
  });
}
void clamp_gradient(const ClampBackwardArgs& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    map_on_gpu<T, T, T>(a.dx, ClampSlope<Sum>{static_cast<Sum>(a.limit)}, a.dy, a.x);
  });
}

constexpr auto cuda = Backend::cuda;
const Registration exp_registered{exp_forward, cuda, forward<Exp>};
const Registration log_registered{log_forward, cuda, forward<Log>};
const Registration sqrt_registered{sqrt_forward, cuda, forward<Sqrt>};
const Registration rsqrt_registered{rsqrt_forward, cuda, forward<Rsqrt>};
const Registration rsqrt_slope_registered{rsqrt_backward, cuda, backward<RsqrtSlope>};
const Registration sigmoid_registered{sigmoid_forward, cuda, forward<Sigmoid>};
const Registration sigmoid_slope_registered{sigmoid_backward, cuda, backward<SigmoidSlope>};
const Registration tanh_registered{tanh_forward, cuda, forward<Tanh>};
const Registration tanh_slope_registered{tanh_backward, cuda, backward<TanhSlope>};
const Registration silu_registered{silu_forward, cuda, forward<Silu>};
const Registration silu_slope_registered{silu_backward, cuda, backward<SiluSlope>};
const Registration negate_registered{negate_forward, cuda, negate};
const Registration elu_plus_one_registered{elu_plus_one_forward, cuda, forward<EluPlusOne>};
const Registration elu_plus_one_slope_registered{elu_plus_one_backward, cuda,
                                                 backward<EluPlusOneSlope>};
const Registration gelu_registered{gelu_forward, cuda, gelu};
const Registration gelu_gradient_registered{gelu_backward, cuda, gelu_gradient};
const Registration clamp_registered{clamp_forward, cuda, clamp};
const Registration clamp_gradient_registered{clamp_backward, cuda, clamp_gradient};

}  // namespace
}  // namespace lookback::kernels
