// One row of logits against its target: what cross_entropy and linear_cross_entropy share. Included
// once per instruction set.
#if defined(LOOKBACK_KERNELS_CPU_CROSS_ENTROPY_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LOOKBACK_KERNELS_CPU_CROSS_ENTROPY_ROWS_INL_H
#undef LOOKBACK_KERNELS_CPU_CROSS_ENTROPY_ROWS_INL_H
#else
#define LOOKBACK_KERNELS_CPU_CROSS_ENTROPY_ROWS_INL_H
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/cpu/simd_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::simd::HWY_NAMESPACE {

// The largest of a row; where there is a NaN, any number: the exponentials show it.
template <class T>
Accumulator<T> largest_of(const T* x, std::int64_t count) {
  using Sum = Accumulator<T>;
  const hn::ScalableTag<Sum> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr auto lowest = -std::numeric_limits<Sum>::infinity();
  auto even = hn::Set(d, lowest), odd = even;
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    even = hn::Max(even, load(d, x + i));
    odd = hn::Max(odd, load(d, x + i + lanes));
  }
  for (; i + lanes <= count; i += lanes) even = hn::Max(even, load(d, x + i));
  Sum largest = hn::GetLane(hn::MaxOfLanes(d, hn::Max(even, odd)));
  for (; i < count; ++i) largest = std::max(largest, static_cast<Sum>(x[i]));
  return largest;
}

// sum_i e^(x[i] - maximum).
template <class T>
Accumulator<T> sum_of_exponentials(const T* x, std::int64_t count, Accumulator<T> maximum) {
  return sum_of<Accumulator<T>>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    return exp_of_negative(d, hn::Sub(load(d, x + i), hn::Set(d, maximum)));
  });
}

// The same, and x[i] becomes e^(x[i] - maximum).
template <class Sum>
Sum replace_by_exponentials(Sum* x, std::int64_t count, Sum maximum) {
  return sum_of<Sum>(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto e = exp_of_negative(d, hn::Sub(load(d, x + i), hn::Set(d, maximum)));
    store(d, e, x + i);
    return e;
  });
}

// ln(sum e^x) - x[target], from numbers of like size: no digit of a small loss is lost to a large
// maximum.
template <class Sum>
Sum nats_of(Sum maximum, Sum sum, Sum target_logit) {
  const auto gap = static_cast<double>(maximum) - static_cast<double>(target_logit);
  return static_cast<Sum>(gap + std::log(static_cast<double>(sum)));
}

// Whether the target is the first of the largest logits.
template <class T>
bool is_first_largest(const T* x, std::int64_t target, Accumulator<T> maximum) {
  using Sum = Accumulator<T>;
  const hn::ScalableTag<Sum> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  if (!(static_cast<Sum>(x[target]) == maximum)) return false;
  std::int64_t i = 0;
  for (; i + lanes <= target; i += lanes) {
    if (!hn::AllFalse(d, hn::Eq(load(d, x + i), hn::Set(d, maximum)))) return false;
  }
  return std::none_of(x + i, x + target,
                      [&](T value) { return static_cast<Sum>(value) == maximum; });
}

}  // namespace lookback::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
