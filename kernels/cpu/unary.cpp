#include "kernels/unary.h"

#include <cmath>
#include <functional>
#include <numbers>

#include "kernels/cpu/simd_targets.h"
#include "kernels/cpu/strided_loop.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/unary.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_math-inl.h"

// With vectors, once per instruction set.
HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace simd = lookback::simd::HWY_NAMESPACE;
namespace hn = hwy::HWY_NAMESPACE;

// y = function(d, x), d the tag of the vectors; dx = function(d, dy, saved).
template <class Function>
void map(const UnaryForwardArgs& a, const Function& function) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) { simd::map_vectors<T>(a.y, function, a.x); });
}
template <class Function>
void map(const UnaryBackwardArgs& a, const Function& function) {
  visit_floating(a.dx.dtype,
                 [&]<class T>(TypeTag<T>) { simd::map_vectors<T>(a.dx, function, a.dy, a.saved); });
}

void exp_forward(const UnaryForwardArgs& a) {
  map(a, [](auto d, auto x) HWY_ATTR { return simd::exp(d, x); });
}

void log_forward(const UnaryForwardArgs& a) {
  map(a, [](auto d, auto x) HWY_ATTR { return simd::log(d, x); });
}

void sigmoid_forward(const UnaryForwardArgs& a) {
  map(a, [](auto d, auto x) HWY_ATTR { return simd::sigmoid(d, x); });
}
void sigmoid_backward(const UnaryBackwardArgs& a) {
  map(a, [](auto d, auto dy, auto y)
             HWY_ATTR { return hn::Mul(hn::Mul(dy, y), hn::Sub(hn::Set(d, 1), y)); });
}

void tanh_forward(const UnaryForwardArgs& a) {
  map(a, [](auto d, auto x) HWY_ATTR { return hn::Tanh(d, x); });
}
void tanh_backward(const UnaryBackwardArgs& a) {
  map(a, [](auto d, auto dy, auto y)
             HWY_ATTR { return hn::Mul(dy, hn::NegMulAdd(y, y, hn::Set(d, 1))); });
}

void silu_forward(const UnaryForwardArgs& a) {
  map(a, [](auto d, auto x) HWY_ATTR { return hn::Mul(x, simd::sigmoid(d, x)); });
}
void silu_backward(const UnaryBackwardArgs& a) {
  map(a, [](auto d, auto dy, auto x) HWY_ATTR {
    const auto one = hn::Set(d, 1);
    const auto s = simd::sigmoid(d, x);
    return hn::Mul(hn::Mul(dy, s), hn::MulAdd(x, hn::Sub(one, s), one));
  });
}

// A NaN is not below 0, and stays one.
void elu_plus_one_forward(const UnaryForwardArgs& a) {
  map(a, [](auto d, auto x) HWY_ATTR {
    const auto below = hn::Lt(x, hn::Zero(d));
    return hn::IfThenElse(below, simd::exp(d, x), hn::Add(x, hn::Set(d, 1)));
  });
}
// y < 1 where x < 0, but for what rounds to 1: a slope of 1 is right to rounding there.
void elu_plus_one_backward(const UnaryBackwardArgs& a) {
  map(a, [](auto d, auto dy, auto y)
             HWY_ATTR { return hn::IfThenElse(hn::Ge(y, hn::Set(d, 1)), dy, hn::Mul(dy, y)); });
}

template <class D>
HWY_INLINE hn::Vec<D> constant(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

void gelu_tanh_forward(const UnaryForwardArgs& a) {
  map(a, [](auto d, auto x) HWY_ATTR {
    const auto slope = hn::MulAdd(constant(d, gelu_cubic), hn::Mul(x, x), constant(d, gelu_linear));
    return hn::Mul(x, simd::sigmoid(d, hn::Mul(x, slope)));
  });
}
void gelu_tanh_backward(const UnaryBackwardArgs& a) {
  map(a, [](auto d, auto dy, auto x) HWY_ATTR {
    const auto one = constant(d, 1);
    const auto linear = constant(d, gelu_linear);
    const auto square = hn::Mul(x, x);
    const auto slope = hn::MulAdd(constant(d, gelu_cubic), square, linear);
    const auto derivative = hn::MulAdd(constant(d, 3 * gelu_cubic), square, linear);
    const auto s = simd::sigmoid(d, hn::Mul(x, slope));
    const auto rise = hn::Mul(hn::Mul(x, derivative), hn::Sub(one, s));
    return hn::Mul(hn::Mul(dy, s), hn::Add(one, rise));
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {

// For all instruction sets: what the compiler makes vectors of, and what has none.
template <class Function>
void map(const UnaryForwardArgs& a, const Function& function) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) { map_elements<T>(a.y, function, a.x); });
}
template <class Function>
void map(const UnaryBackwardArgs& a, const Function& function) {
  visit_floating(a.dx.dtype,
                 [&]<class T>(TypeTag<T>) { map_elements<T>(a.dx, function, a.dy, a.saved); });
}

void sqrt(const UnaryForwardArgs& a) {
  map(a, [](auto x) { return std::sqrt(x); });
}

void rsqrt(const UnaryForwardArgs& a) {
  map(a, [](auto x) { return decltype(x)(1) / std::sqrt(x); });
}
void rsqrt_gradient(const UnaryBackwardArgs& a) {
  map(a, [](auto dy, auto y) { return decltype(dy)(-0.5) * dy * y * y * y; });
}

void negate(const UnaryForwardArgs& a) {
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) { map_elements<T>(a.y, std::negate<>{}, a.x); });
}

// The C library's erfc, one number at a time: Highway has none, and no model here waits for it.
// erfc(-x) and not 1 + erf(x), which cancels for negative x.
template <class Sum>
Sum normal_distribution(Sum x) {
  return Sum(0.5) * std::erfc(-x * static_cast<Sum>(std::numbers::sqrt2 / 2));
}

void exact_gelu(const UnaryForwardArgs& a) {
  map(a, [](auto x) { return x * normal_distribution(x); });
}
void exact_gelu_gradient(const UnaryBackwardArgs& a) {
  map(a, [](auto dy, auto x) {
    using Sum = decltype(x);
    const auto density = static_cast<Sum>(normal_density_at_0) * std::exp(Sum(-0.5) * x * x);
    return dy * (normal_distribution(x) + x * density);
  });
}

// The kernel of the slot's name above, for the instruction set at hand.
#define LOOKBACK_REGISTER(slot)                                                                 \
  HWY_EXPORT(slot);                                                                             \
  const Registration slot##_registered {                                                        \
    lookback::kernels::slot, Backend::cpu, [](const auto& a) { HWY_DYNAMIC_DISPATCH(slot)(a); } \
  }
LOOKBACK_REGISTER(exp_forward);
LOOKBACK_REGISTER(log_forward);
LOOKBACK_REGISTER(sigmoid_forward);
LOOKBACK_REGISTER(sigmoid_backward);
LOOKBACK_REGISTER(tanh_forward);
LOOKBACK_REGISTER(tanh_backward);
LOOKBACK_REGISTER(silu_forward);
LOOKBACK_REGISTER(silu_backward);
LOOKBACK_REGISTER(elu_plus_one_forward);
LOOKBACK_REGISTER(elu_plus_one_backward);
#undef LOOKBACK_REGISTER

const Registration sqrt_registered{sqrt_forward, Backend::cpu, sqrt};
const Registration rsqrt_registered{rsqrt_forward, Backend::cpu, rsqrt};
const Registration rsqrt_gradient_registered{rsqrt_backward, Backend::cpu, rsqrt_gradient};
const Registration negate_registered{negate_forward, Backend::cpu, negate};

HWY_EXPORT(gelu_tanh_forward);
HWY_EXPORT(gelu_tanh_backward);
void gelu(const GeluForwardArgs& a) {
  const UnaryForwardArgs operands{a.x, a.y};
  a.form == GeluForm::exact ? exact_gelu(operands)
                            : HWY_DYNAMIC_DISPATCH(gelu_tanh_forward)(operands);
}
void gelu_gradient(const GeluBackwardArgs& a) {
  const UnaryBackwardArgs operands{a.dy, a.x, a.dx};
  a.form == GeluForm::exact ? exact_gelu_gradient(operands)
                            : HWY_DYNAMIC_DISPATCH(gelu_tanh_backward)(operands);
}
const Registration gelu_registered{gelu_forward, Backend::cpu, gelu};
const Registration gelu_gradient_registered{gelu_backward, Backend::cpu, gelu_gradient};

// NaN compares as neither.
void clamp(const ClampForwardArgs& a) {
  map(UnaryForwardArgs{a.x, a.y}, [&](auto x) {
    const auto limit = static_cast<decltype(x)>(a.limit);
    return x > limit ? limit : x < -limit ? -limit : x;
  });
}
void clamp_gradient(const ClampBackwardArgs& a) {
  map(UnaryBackwardArgs{a.dy, a.x, a.dx}, [&](auto dy, auto x) {
    const auto limit = static_cast<decltype(x)>(a.limit);
    return x > limit || x < -limit ? decltype(dy)(0) : dy;
  });
}
const Registration clamp_registered{clamp_forward, Backend::cpu, clamp};
const Registration clamp_gradient_registered{clamp_backward, Backend::cpu, clamp_gradient};

}  // namespace
}  // namespace lookback::kernels
#endif
