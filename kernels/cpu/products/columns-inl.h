// Eight columns of a matrix whose columns lie as rows: four elements of each, transposed in
// registers; and pairs of neighbors along k in bf16 as elements. Included once per instruction set.
#if defined(LOOKBACK_KERNELS_CPU_PRODUCTS_COLUMNS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LOOKBACK_KERNELS_CPU_PRODUCTS_COLUMNS_INL_H
#undef LOOKBACK_KERNELS_CPU_PRODUCTS_COLUMNS_INL_H
#else
#define LOOKBACK_KERNELS_CPU_PRODUCTS_COLUMNS_INL_H
#endif

#include <bit>
#include <cstdint>

#include "hwy/highway.h"
#include "runtime/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::products::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The first in the lower half.
HWY_INLINE float pair_of(BFloat16 first, BFloat16 second) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(first.bits) |
                              static_cast<std::uint32_t>(second.bits) << 16);
}

#if HWY_MAX_BYTES >= 32

// sum += x y of the pairs in each lane. Not asked for where the processor has no such instruction
// (multiplies_pairs() in isa.h); Highway 1.0 has no function for it.
template <class V>
HWY_INLINE V add_pairs(V x, V y, V sum) {
#if HWY_TARGET <= HWY_AVX3
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(x.raw), "v"(y.raw));
#else
  static_cast<void>(x);
  static_cast<void>(y);
#endif
  return sum;
}

constexpr std::int64_t block_columns = 8;
constexpr std::int64_t block_depth = 4;
using Columns = hn::CappedTag<float, block_columns>;
using Four = hn::Half<Columns>;

// 16 bytes as they are: four floats, or four pairs.
template <class T>
HWY_INLINE hn::Vec<Four> load_sixteen_bytes(const T* from) {
  const hn::Repartition<std::uint8_t, Four> bytes;
  return hn::BitCast(Four(), hn::LoadU(bytes, reinterpret_cast<const std::uint8_t*>(from)));
}

// Element 0 of each column, element 1, ..
struct Block {
  hn::Vec<Columns> of[block_depth];
};

// load(j): the four elements of column j.
template <class Load>
HWY_INLINE Block transposed(const Load& load) {
  const Columns d;
  const hn::Repartition<double, Columns> doubles;
  const auto x0 = hn::Combine(d, load(4), load(0));
  const auto x1 = hn::Combine(d, load(5), load(1));
  const auto x2 = hn::Combine(d, load(6), load(2));
  const auto x3 = hn::Combine(d, load(7), load(3));
  const auto low01 = hn::BitCast(doubles, hn::InterleaveLower(d, x0, x1));
  const auto low23 = hn::BitCast(doubles, hn::InterleaveLower(d, x2, x3));
  const auto high01 = hn::BitCast(doubles, hn::InterleaveUpper(d, x0, x1));
  const auto high23 = hn::BitCast(doubles, hn::InterleaveUpper(d, x2, x3));
  return {{hn::BitCast(d, hn::InterleaveLower(doubles, low01, low23)),
           hn::BitCast(d, hn::InterleaveUpper(doubles, low01, low23)),
           hn::BitCast(d, hn::InterleaveLower(doubles, high01, high23)),
           hn::BitCast(d, hn::InterleaveUpper(doubles, high01, high23))}};
}

#endif

}  // namespace lookback::products::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
