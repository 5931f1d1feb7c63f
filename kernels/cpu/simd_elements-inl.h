// Vectors of any floating dtype, in its accumulator type, for the Highway kernels; included once
// per instruction set. A kernel handles the elements that fill no vector one by one, through the
// same code with a tag of one lane: see for_each_vector().
#if defined(LOOKBACK_KERNELS_CPU_SIMD_ELEMENTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef LOOKBACK_KERNELS_CPU_SIMD_ELEMENTS_INL_H
#undef LOOKBACK_KERNELS_CPU_SIMD_ELEMENTS_INL_H
#else
#define LOOKBACK_KERNELS_CPU_SIMD_ELEMENTS_INL_H
#endif

#include <cstdint>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "runtime/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::simd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const hn::TFromD<D>* from) {
  return hn::LoadU(d, from);
}

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const BFloat16* from) {
  const hn::Rebind<std::uint32_t, D> words;
  const hn::Rebind<std::uint16_t, D> halves;
  const auto bits = hn::LoadU(halves, &from->bits);
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(words, bits)));
}

template <class D>
HWY_INLINE void store(D d, hn::Vec<D> v, hn::TFromD<D>* to) {
  hn::StoreU(v, d, to);
}

// Rounds to nearest, ties to even; NaN stays NaN. As the conversion in runtime/dtype.h.
template <class D>
HWY_INLINE void store(D, hn::Vec<D> v, BFloat16* to) {
  const hn::Rebind<std::uint32_t, D> words;
  const hn::Rebind<std::int32_t, D> signed_words;
  const hn::Rebind<std::uint16_t, D> halves;
  const auto word = hn::BitCast(words, v);
  const auto odd = hn::And(hn::ShiftRight<16>(word), hn::Set(words, 1));
  const auto rounded = hn::Add(word, hn::Add(odd, hn::Set(words, 0x7fff)));
  const auto quiet = hn::Or(word, hn::Set(words, 0x400000));
  // Eq and not Ne: on AVX-512 Highway's Ne is false for NaN.
  const auto bits = hn::IfThenElse(hn::RebindMask(words, hn::Eq(v, v)), rounded, quiet);
  hn::StoreU(hn::DemoteTo(halves, hn::BitCast(signed_words, hn::ShiftRight<16>(bits))), halves,
             &to->bits);
}

// body(d, i) for i = 0, lanes, 2 lanes, ..., then one element at a time; `d` is the tag of the
// vector that begins at i.
template <class Sum, class Body>
HWY_INLINE void for_each_vector(std::int64_t count, const Body& body) {
  const hn::ScalableTag<Sum> d;
  const hn::CappedTag<Sum, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body(d, i);
  for (; i < count; ++i) body(one, i);
}

// The sum of the vectors term(d, i), in a fixed order: four running sums, added up, then across.
template <class Sum, class Term>
HWY_INLINE Sum sum_of(std::int64_t count, const Term& term) {
  const hn::ScalableTag<Sum> d;
  const hn::CappedTag<Sum, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d), sum1 = hn::Zero(d), sum2 = hn::Zero(d), sum3 = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    sum0 = hn::Add(sum0, term(d, i));
    sum1 = hn::Add(sum1, term(d, i + lanes));
    sum2 = hn::Add(sum2, term(d, i + 2 * lanes));
    sum3 = hn::Add(sum3, term(d, i + 3 * lanes));
  }
  for (; i + lanes <= count; i += lanes) sum0 = hn::Add(sum0, term(d, i));
  const auto sums = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  Sum total = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < count; ++i) total += hn::GetLane(term(one, i));
  return total;
}

// e^x for x <= 0 and -inf; NaN stays NaN (Highway's Exp makes it 0).
template <class D>
HWY_INLINE hn::Vec<D> exp_of_negative(D d, hn::Vec<D> x) {
  return hn::IfThenElse(hn::Eq(x, x), hn::Exp(d, x), x);
}

// 1 / (1 + e^-x). The argument of Exp ends where its range does: there the result is 0 to rounding.
template <class D>
HWY_INLINE hn::Vec<D> sigmoid(D d, hn::Vec<D> x) {
  const auto largest =
      hn::Set(d, static_cast<hn::TFromD<D>>(sizeof(hn::TFromD<D>) == 4 ? 104 : 706));
  const auto one = hn::Set(d, 1);
  const auto result = hn::Div(one, hn::Add(one, hn::Exp(d, hn::Min(largest, hn::Neg(x)))));
  return hn::IfThenElse(hn::Eq(x, x), result, x);
}

}  // namespace lookback::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
