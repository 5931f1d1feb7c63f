#include "kernels/gelu.h"

#include <cmath>
#include <numbers>

#include "kernels/cpu/simd_targets.h"
#include "kernels/cpu/strided_loop.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gelu.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace simd = lookback::simd::HWY_NAMESPACE;
namespace hn = hwy::HWY_NAMESPACE;

// 2u = linear x + cubic x^3
constexpr double linear = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
constexpr double cubic = linear * 0.044715;

template <class D>
HWY_INLINE hn::Vec<D> constant(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

void tanh_forward(const GeluForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    simd::map_vectors<T>(
        a.y,
        [](auto d, auto x) HWY_ATTR {
          const auto slope = hn::MulAdd(constant(d, cubic), hn::Mul(x, x), constant(d, linear));
          return hn::Mul(x, simd::sigmoid(d, hn::Mul(x, slope)));
        },
        a.x);
  });
}

void tanh_backward(const GeluBackward& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    simd::map_vectors<T>(
        a.dx,
        [](auto d, auto dy, auto x) HWY_ATTR {
          const auto one = constant(d, 1);
          const auto square = hn::Mul(x, x);
          const auto slope = hn::MulAdd(constant(d, cubic), square, constant(d, linear));
          const auto derivative = hn::MulAdd(constant(d, 3 * cubic), square, constant(d, linear));
          const auto s = simd::sigmoid(d, hn::Mul(x, slope));
          const auto rise = hn::Mul(hn::Mul(x, derivative), hn::Sub(one, s));
          return hn::Mul(hn::Mul(dy, s), hn::Add(one, rise));
        },
        a.dy, a.x);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {

// The C library's erfc, one number at a time: Highway has none, and no model here waits for it.
// erfc(-x) and not 1 + erf(x), which cancels for negative x.
template <class Sum>
Sum normal_distribution(Sum x) {
  return Sum(0.5) * std::erfc(-x * static_cast<Sum>(std::numbers::sqrt2 / 2));
}

constexpr double density_at_0 = std::numbers::inv_sqrtpi / std::numbers::sqrt2;

void exact_forward(const GeluForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    map_elements<T>(
        a.y, [](auto x) { return x * normal_distribution(x); }, a.x);
  });
}

void exact_backward(const GeluBackward& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    map_elements<T>(
        a.dx,
        [](auto dy, auto x) {
          using Sum = decltype(x);
          const auto density = static_cast<Sum>(density_at_0) * std::exp(Sum(-0.5) * x * x);
          return dy * (normal_distribution(x) + x * density);
        },
        a.dy, a.x);
  });
}

HWY_EXPORT(tanh_forward);
HWY_EXPORT(tanh_backward);

void forward(const GeluForward& a) {
  a.form == GeluForm::exact ? exact_forward(a) : HWY_DYNAMIC_DISPATCH(tanh_forward)(a);
}

void backward(const GeluBackward& a) {
  a.form == GeluForm::exact ? exact_backward(a) : HWY_DYNAMIC_DISPATCH(tanh_backward)(a);
}

const Registration forward_registered{gelu_forward, Backend::cpu, forward};
const Registration backward_registered{gelu_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
#endif
