// Elementary functions for the Highway kernels, right for every argument: Highway's own are for a
// range each, and NaN is not in it. Included once per instruction set.
#if defined(LOOKBACK_KERNELS_CPU_SIMD_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LOOKBACK_KERNELS_CPU_SIMD_MATH_INL_H
#undef LOOKBACK_KERNELS_CPU_SIMD_MATH_INL_H
#else
#define LOOKBACK_KERNELS_CPU_SIMD_MATH_INL_H
#endif

#include <limits>

#include "kernels/core/operand.h"
#include "kernels/cpu/simd_elements-inl.h"
#include "runtime/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::simd::HWY_NAMESPACE {

// e^x. Above the bound the product that Highway ends with overflows to infinity, as it should.
template <class D>
HWY_INLINE hn::Vec<D> exp(D d, hn::Vec<D> x) {
  const auto bound = hn::Set(d, static_cast<hn::TFromD<D>>(sizeof(hn::TFromD<D>) == 4 ? 89 : 710));
  return hn::IfThenElse(hn::Eq(x, x), hn::Exp(d, hn::Min(x, bound)), x);
}

// ln x: -infinity at 0, NaN below.
template <class D>
HWY_INLINE hn::Vec<D> log(D d, hn::Vec<D> x) {
  using T = hn::TFromD<D>;
  const auto infinity = hn::Set(d, std::numeric_limits<T>::infinity());
  const auto zero = hn::Zero(d);
  const auto ordinary = hn::And(hn::Gt(x, zero), hn::Lt(x, infinity));
  // 0 -> -infinity; infinity and NaN stay; below 0 -> NaN
  const auto special = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity),
                                      hn::IfThenElse(hn::Lt(x, zero), hn::NaN(d), x));
  return hn::IfThenElse(ordinary, hn::Log(d, x), special);
}

// y[i] = function(d, x[i]...) in the accumulator type; all operands contiguous, of one size.
template <class T, class Function, class... Inputs>
void map_vectors(const kernels::Out& y, const Function& function, const Inputs&... x) {
  constexpr std::int64_t chunk_elements = 1 << 14;
  parallel_for(y.numel(), chunk_elements, [&](std::int64_t begin, std::int64_t end) {
    for_each_vector<Accumulator<T>>(end - begin, [&](auto d, std::int64_t i) HWY_ATTR {
      store(d, function(d, load(d, x.template as<T>() + begin + i)...), y.as<T>() + begin + i);
    });
  });
}

}  // namespace lookback::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
