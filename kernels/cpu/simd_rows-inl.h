// Rows for the Highway kernels: where they lie, and the largest element of one. Included once per
// instruction set.
#if defined(LOOKBACK_KERNELS_CPU_SIMD_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LOOKBACK_KERNELS_CPU_SIMD_ROWS_INL_H
#undef LOOKBACK_KERNELS_CPU_SIMD_ROWS_INL_H
#else
#define LOOKBACK_KERNELS_CPU_SIMD_ROWS_INL_H
#endif

#include <limits>

#include "kernels/core/operand.h"
#include "kernels/cpu/simd_elements-inl.h"
#include "runtime/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::simd::HWY_NAMESPACE {

template <class T, class Operand>
T* row_of(const Operand& x, std::int64_t r) {
  return static_cast<T*>(x.data) + r * x.stride(0);
}

// row(r) for the rows of y, on all threads, in chunks of about 16384 elements.
template <class Row>
void for_each_row(const kernels::Operand& y, const Row& row) {
  const auto columns = std::max<std::int64_t>(1, y.size(1));
  const auto chunk = std::max<std::int64_t>(1, (1 << 14) / columns);
  parallel_for(y.size(0), chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) row(r);
  });
}

// The largest of x[0 .. count); -infinity where there is none. Whether a NaN among numbers is
// passed over is left open.
template <class T>
HWY_INLINE Accumulator<T> max_of(const T* x, std::int64_t count) {
  using Sum = Accumulator<T>;
  const hn::ScalableTag<Sum> d;
  const hn::CappedTag<Sum, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto lowest = -std::numeric_limits<Sum>::infinity();
  auto max0 = hn::Set(d, lowest), max1 = max0, max2 = max0, max3 = max0;
  std::int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    max0 = hn::Max(max0, load(d, x + i));
    max1 = hn::Max(max1, load(d, x + i + lanes));
    max2 = hn::Max(max2, load(d, x + i + 2 * lanes));
    max3 = hn::Max(max3, load(d, x + i + 3 * lanes));
  }
  for (; i + lanes <= count; i += lanes) max0 = hn::Max(max0, load(d, x + i));
  const auto all = hn::Max(hn::Max(max0, max1), hn::Max(max2, max3));
  auto rest = hn::Set(one, hn::GetLane(hn::MaxOfLanes(d, all)));
  for (; i < count; ++i) rest = hn::Max(rest, load(one, x + i));
  return hn::GetLane(rest);
}

// For a row whose max_of() is -infinity: whether there is nothing but -infinity in it, and no NaN.
template <class T>
bool nothing_but_hidden(const T* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (!(static_cast<Accumulator<T>>(x[i]) < 0)) return false;
  }
  return true;
}

}  // namespace lookback::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
