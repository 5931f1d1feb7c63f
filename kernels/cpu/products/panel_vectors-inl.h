// The vectors in which products are summed, and what the registers take at once. Included once per
// instruction set.
#if defined(LOOKBACK_KERNELS_CPU_PRODUCTS_PANEL_VECTORS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LOOKBACK_KERNELS_CPU_PRODUCTS_PANEL_VECTORS_INL_H
#undef LOOKBACK_KERNELS_CPU_PRODUCTS_PANEL_VECTORS_INL_H
#else
#define LOOKBACK_KERNELS_CPU_PRODUCTS_PANEL_VECTORS_INL_H
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/cpu/products/columns-inl.h"
#include "kernels/cpu/products/float_panels.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::products::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using kernels::most_panel_columns;
using kernels::whole_rows;

#if HWY_MAX_BYTES < 32

// Every x86-64 has vectors of four numbers, which Highway leaves aside here (simd_targets.h).
using Floats = float __attribute__((vector_size(16)));
constexpr std::int64_t lanes = 4;

HWY_INLINE Floats zeros() { return Floats{}; }
HWY_INLINE Floats all_of(float x) { return Floats{x, x, x, x}; }
HWY_INLINE Floats load_floats(const float* from) {
  Floats v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}
HWY_INLINE void store_floats(Floats v, float* to) { std::memcpy(to, &v, sizeof(v)); }
HWY_INLINE Floats multiply_add(Floats x, Floats y, Floats sum) { return x * y + sum; }
HWY_INLINE Floats add_pairs(Floats, Floats, Floats sum) { return sum; }

#else

using FloatTag = hn::ScalableTag<float>;
using Floats = hn::Vec<FloatTag>;
constexpr std::int64_t lanes = hn::MaxLanes(FloatTag());

HWY_INLINE Floats zeros() { return hn::Zero(FloatTag()); }
HWY_INLINE Floats all_of(float x) { return hn::Set(FloatTag(), x); }
HWY_INLINE Floats load_floats(const float* from) { return hn::LoadU(FloatTag(), from); }
HWY_INLINE void store_floats(Floats v, float* to) { hn::StoreU(v, FloatTag(), to); }
HWY_INLINE Floats multiply_add(Floats x, Floats y, Floats sum) { return hn::MulAdd(x, y, sum); }

#endif

// As many sums as leave registers for a row of b and an element of a: 12 of 16, or 28 of 32.
constexpr int panel_rows = lanes == 16 ? 14 : 6;
constexpr int panel_columns = 2 * lanes;
static_assert(whole_rows % panel_rows == 0);
static_assert(most_panel_columns % panel_columns == 0);

}  // namespace lookback::products::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
