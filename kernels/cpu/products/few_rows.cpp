#include "kernels/cpu/products/few_rows.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/isa.h"
#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/products/few_rows.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/products/columns-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
using namespace products::HWY_NAMESPACE;  // NOLINT(google-build-using-namespace)

#if HWY_MAX_BYTES < 32

constexpr bool is_fused = false;
void few_rows(const Gemm<float>&) {}
void few_rows_of_bf16(const Gemm<BFloat16, float>&) {}

#else

constexpr bool is_fused = true;

using Sums = hn::Vec<Columns>;
constexpr std::int64_t lanes = block_columns;
static_assert(lanes == few_rows_columns && hn::MaxLanes(Columns()) == lanes);

// How many elements of a row of b are transposed at once: 16 bytes.
template <class T>
constexpr std::int64_t block = 16 / sizeof(T);

// c = alpha * s + (0 or c).
template <class T>
HWY_INLINE void add_sums(Sums sums, const Gemm<T, float>& p, float* c) {
  const Columns d;
  const auto before = p.into == Into::sum ? hn::LoadU(d, c) : hn::Zero(d);
  hn::StoreU(hn::MulAdd(sums, hn::Set(d, static_cast<float>(p.alpha)), before), d, c);
}

// How products are added up: number by number, or in bfloat16 two neighbors along k at once
// (float_panels.h). Then `a` holds them as one element, the first in the lower half.
enum class By : std::uint8_t { numbers, pairs };
template <By by>
constexpr std::int64_t of_element = by == By::pairs ? 2 : 1;

// sums += a y, of what the lanes hold: one float, or two numbers in bfloat16, the first of which is
// the lower half.
template <By by>
HWY_INLINE Sums add_lanes(const float* a, Sums y, Sums sums, const float* /*b*/) {
  return hn::MulAdd(hn::Set(Columns(), a[0]), y, sums);
}
template <By by>
HWY_INLINE Sums add_lanes(const float* a, Sums y, Sums sums, const BFloat16* /*b*/) {
  const Columns d;
  if constexpr (by == By::pairs) return add_pairs(hn::Set(d, a[0]), y, sums);
  const hn::RebindToUnsigned<Columns> words;
  const auto both = hn::BitCast(words, y);
  const auto first = hn::BitCast(d, hn::ShiftLeft<16>(both));
  const auto second = hn::BitCast(d, hn::And(both, hn::Set(words, 0xffff0000U)));
  sums = hn::MulAdd(hn::Set(d, a[0]), first, sums);
  return hn::MulAdd(hn::Set(d, a[1]), second, sums);
}

// sums += a[0 .. block) times a block of each of `lanes` rows of a transposed b: transposed in
// registers, added in the order of a.
template <By by, class T>
HWY_INLINE Sums add_block(const float* a, const T* b, std::int64_t stride, Sums sums) {
  constexpr std::int64_t of_lane = block<T> / 4 / of_element<by>;
  const auto block_of = [&](std::int64_t j) HWY_ATTR { return load_sixteen_bytes(b + j * stride); };
  const auto y = transposed(block_of);
  for (std::int64_t q = 0; q < block_depth; ++q) {
    sums = add_lanes<by>(a + q * of_lane, y.of[q], sums, b);
  }
  return sums;
}

// One element along k of each of some rows of b: fewer than `left` numbers are left of them.
template <By by>
HWY_INLINE float element_of(const float* b, std::int64_t /*left*/) {
  return b[0];
}
template <By by>
HWY_INLINE float element_of(const BFloat16* b, std::int64_t left) {
  if constexpr (by == By::pairs) return pair_of(b[0], left > 1 ? b[1] : BFloat16{});
  return static_cast<float>(b[0]);
}

// sums += a y, where y is one element along k in f32, or a pair.
template <By by>
HWY_INLINE Sums add_element(float a, Sums y, Sums sums) {
  const auto x = hn::Set(Columns(), a);
  return by == By::pairs ? add_pairs(x, y, sums) : hn::MulAdd(x, y, sums);
}

// The last numbers of k, fewer than a block: one element after the other.
template <By by, class T>
HWY_INLINE Sums add_rest(const float* a, const T* b, std::int64_t stride, std::int64_t count,
                         Sums sums) {
  HWY_ALIGN float gathered[lanes];
  for (std::int64_t q = 0; q < count; q += of_element<by>) {
    for (std::int64_t j = 0; j < lanes; ++j) {
      gathered[j] = element_of<by>(b + j * stride + q, count - q);
    }
    sums = add_element<by>(a[q / of_element<by>], hn::Load(Columns(), gathered), sums);
  }
  return sums;
}

// sums += a[0 .. count) times the rows of a transposed b, in whole blocks.
template <By by, class T>
HWY_INLINE Sums add_blocks(const float* a, const T* b, std::int64_t stride, std::int64_t count,
                           Sums sums) {
  for (std::int64_t q = 0; q < count; q += block<T>) {
    sums = add_block<by>(a + q / of_element<by>, b + q, stride, sums);
  }
  return sums;
}

// More rows are read at once than a processor foresees by itself.
template <class T>
HWY_INLINE void prefetch_rows(const T* b, std::int64_t stride) {
  for (std::int64_t r = 0; r < lanes; ++r) __builtin_prefetch(b + r * stride);
}

// Several vectors of columns at once: a chain of sums waits for its last addition. Of each row a
// whole line of the cache is taken at once: where rows lie a power of two apart, the next rows'
// lines would drive it out.
template <By by, int vectors, class T>
HWY_INLINE void transposed_columns(const Gemm<T, float>& p, const float* a, const T* b, float* c) {
  constexpr std::int64_t line = 64 / sizeof(T);
  Sums sums[vectors];
  for (auto& sum : sums) sum = hn::Zero(Columns());
  const auto in_blocks = p.k / block<T> * block<T>;
  for (std::int64_t q = 0; q < in_blocks; q += line) {
    const auto count = std::min(line, in_blocks - q);
    for (int v = 0; v < vectors; ++v) {
      prefetch_rows(b + v * lanes * p.b_stride + q + 2 * line, p.b_stride);
      sums[v] = add_blocks<by>(a + q / of_element<by>, b + v * lanes * p.b_stride + q, p.b_stride,
                               count, sums[v]);
    }
  }
  for (int v = 0; v < vectors; ++v) {
    const T* rest = b + v * lanes * p.b_stride + in_blocks;
    sums[v] =
        add_rest<by>(a + in_blocks / of_element<by>, rest, p.b_stride, p.k - in_blocks, sums[v]);
    add_sums(sums[v], p, c + v * lanes);
  }
}

template <By by, class T>
void times_transposed(const Gemm<T, float>& p, const float* a, float* c) {
  std::int64_t j = 0;
  for (; j + 4 * lanes <= p.n; j += 4 * lanes) {
    transposed_columns<by, 4>(p, a, p.b + j * p.b_stride, c + j);
  }
  for (; j < p.n; j += lanes) transposed_columns<by, 1>(p, a, p.b + j * p.b_stride, c + j);
}

HWY_INLINE Sums load_numbers(const float* b) { return hn::LoadU(Columns(), b); }
HWY_INLINE Sums load_numbers(const BFloat16* b) {
  const Columns d;
  const hn::RebindToUnsigned<Columns> words;
  const hn::Rebind<std::uint16_t, Columns> halves;
  const auto bits = hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(b));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(words, bits)));
}

// One element along k of neighboring columns: of the row at b, and of the one behind it where
// `left` rows are that many.
template <By by>
HWY_INLINE Sums load_elements(const float* b, std::int64_t /*stride*/, std::int64_t /*left*/) {
  return load_numbers(b);
}
template <By by>
HWY_INLINE Sums load_elements(const BFloat16* b, std::int64_t stride, std::int64_t left) {
  if constexpr (by == By::numbers) return load_numbers(b);
  const Columns d;
  const hn::RebindToUnsigned<Columns> words;
  const auto first = hn::ShiftRight<16>(hn::BitCast(words, load_numbers(b)));
  if (left == 1) return hn::BitCast(d, first);
  return hn::BitCast(d, hn::Or(first, hn::BitCast(words, load_numbers(b + stride))));
}

// b as it is: its rows are read one after the other, eight for each pass over the sums.
template <By by, class T>
void times_rows(const Gemm<T, float>& p, const float* a, float* c) {
  const Columns d;
  constexpr std::int64_t rows_of_pass = 8;
  thread_local std::vector<float> sums;
  sums.assign(static_cast<std::size_t>(p.n), 0.0F);
  for (std::int64_t q = 0; q < p.k; q += rows_of_pass) {
    const auto last = std::min(q + rows_of_pass, p.k);
    for (std::int64_t j = 0; j < p.n; j += lanes) {
      float* at = sums.data() + j;
      auto sum = hn::LoadU(d, at);
      for (auto row = q; row < last; row += of_element<by>) {
        const auto y = load_elements<by>(p.b + row * p.b_stride + j, p.b_stride, p.k - row);
        sum = add_element<by>(a[row / of_element<by>], y, sum);
      }
      hn::StoreU(sum, d, at);
    }
  }
  for (std::int64_t j = 0; j < p.n; j += lanes) {
    add_sums(hn::LoadU(d, sums.data() + j), p, c + j);
  }
}

template <By by, class T>
void one_row(const Gemm<T, float>& p, const float* a, float* c) {
  if (p.b_layout == Layout::as_is) {
    times_rows<by>(p, a, c);
  } else {
    times_transposed<by>(p, a, c);
  }
}

void few_rows(const Gemm<float>& p) {
  for (std::int64_t i = 0; i < p.m; ++i) {
    one_row<By::numbers>(p, p.a + i * p.a_stride, p.c + i * p.c_stride);
  }
}

template <By by>
void few_rows_in_bf16(const Gemm<BFloat16, float>& p) {
  thread_local std::vector<float> elements;
  elements.resize(static_cast<std::size_t>(p.k));
  for (std::int64_t i = 0; i < p.m; ++i) {
    const BFloat16* a = p.a + i * p.a_stride;
    for (std::int64_t q = 0; q < p.k; q += of_element<by>) {
      elements[static_cast<std::size_t>(q / of_element<by>)] = element_of<by>(a + q, p.k - q);
    }
    one_row<by>(p, elements.data(), p.c + i * p.c_stride);
  }
}
void few_rows_of_bf16(const Gemm<BFloat16, float>& p) {
  if (multiplies_pairs()) {
    few_rows_in_bf16<By::pairs>(p);
  } else {
    few_rows_in_bf16<By::numbers>(p);
  }
}

#endif

bool fused() { return is_fused; }

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {
HWY_EXPORT(few_rows);
HWY_EXPORT(few_rows_of_bf16);
HWY_EXPORT(fused);
}  // namespace

bool few_rows_are_fused() { return HWY_DYNAMIC_DISPATCH(fused)(); }

void few_rows_product(const Gemm<float>& p) { HWY_DYNAMIC_DISPATCH(few_rows)(p); }
void few_rows_product(const Gemm<BFloat16, float>& p) { HWY_DYNAMIC_DISPATCH(few_rows_of_bf16)(p); }

}  // namespace lookback::kernels
#endif
