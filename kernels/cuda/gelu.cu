#include "kernels/gelu.h"

#include <numbers>

#include "kernels/cuda/device/elementwise.h"
#include "kernels/cuda/device/logistic.h"

namespace lookback::kernels {
namespace {

// 2u = linear x + cubic x^3
constexpr double linear = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
constexpr double cubic = linear * 0.044715;
constexpr double half_root = std::numbers::sqrt2 / 2;
constexpr double density_at_0 = std::numbers::inv_sqrtpi / std::numbers::sqrt2;

// erfc(-x) and not 1 + erf(x), which cancels for negative x.
template <class T>
LOOKBACK_DEVICE T normal_distribution(T x) {
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
    const T density = static_cast<T>(density_at_0) * device::exp(T(-0.5) * x * x);
    return dy * (normal_distribution(x) + x * density);
  }
};

struct TanhGelu {
  template <class T>
  LOOKBACK_DEVICE T operator()(T x) const {
    const T slope = device::fused(static_cast<T>(cubic), x * x, static_cast<T>(linear));
    return x * device::logistic(x * slope);
  }
};
struct TanhGeluSlope {
  template <class T>
  LOOKBACK_DEVICE T operator()(T dy, T x) const {
    const T square = x * x;
    const T slope = device::fused(static_cast<T>(cubic), square, static_cast<T>(linear));
    const T derivative = device::fused(static_cast<T>(3 * cubic), square, static_cast<T>(linear));
    const T s = device::logistic(x * slope);
    return dy * s * (T(1) + x * derivative * (T(1) - s));
  }
};

void forward(const GeluForward& a) {
  if (a.form == GeluForm::exact) {
    map_floating_on_gpu(a.y, ExactGelu{}, a.x);
  } else {
    map_floating_on_gpu(a.y, TanhGelu{}, a.x);
  }
}

void backward(const GeluBackward& a) {
  if (a.form == GeluForm::exact) {
    map_floating_on_gpu(a.dx, ExactGeluSlope{}, a.dy, a.x);
  } else {
    map_floating_on_gpu(a.dx, TanhGeluSlope{}, a.dy, a.x);
  }
}

const Registration forward_registered{gelu_forward, Backend::cuda, forward};
const Registration backward_registered{gelu_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
