#include "kernels/cpu/products/few_rows.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/products/few_rows.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

constexpr bool is_fused = false;
void few_rows(const Gemm<float>&) {}
void few_rows_of_bf16(const Gemm<BFloat16, float>&) {}

#else

constexpr bool is_fused = true;

// At most 32 bytes: the transposition below is written for two blocks of 16.
using Columns = hn::CappedTag<float, few_rows_columns>;
using Sums = hn::Vec<Columns>;
constexpr std::int64_t lanes = hn::MaxLanes(Columns());
static_assert(lanes == few_rows_columns);

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

// A block of one row of b, and one of the row that lies four rows behind it.
template <class T>
HWY_INLINE Sums load_two_rows(const T* b, std::int64_t stride) {
  const Columns d;
  const hn::Half<Columns> half;
  const hn::Repartition<std::uint8_t, hn::Half<Columns> > bytes;
  const auto block_of = [&](const T* row) HWY_ATTR {
    return hn::BitCast(half, hn::LoadU(bytes, reinterpret_cast<const std::uint8_t*>(row)));
  };
  return hn::Combine(d, block_of(b + 4 * stride), block_of(b));
}

// sums += a[0] y, of what the lanes hold: one float, or two numbers in bfloat16, the first of which
// is the lower half.
HWY_INLINE Sums add_lanes(const float* a, Sums y, Sums sums, const float* /*b*/) {
  return hn::MulAdd(hn::Set(Columns(), a[0]), y, sums);
}
HWY_INLINE Sums add_lanes(const float* a, Sums y, Sums sums, const BFloat16* /*b*/) {
  const Columns d;
  const hn::RebindToUnsigned<Columns> words;
  const auto both = hn::BitCast(words, y);
  const auto first = hn::BitCast(d, hn::ShiftLeft<16>(both));
  const auto second = hn::BitCast(d, hn::And(both, hn::Set(words, 0xffff0000U)));
  sums = hn::MulAdd(hn::Set(d, a[0]), first, sums);
  return hn::MulAdd(hn::Set(d, a[1]), second, sums);
}

// sums += a[0 .. block) times a block of each of `lanes` rows of a transposed b: transposed in
// registers, added in the order of a.
template <class T>
HWY_INLINE Sums add_block(const float* a, const T* b, std::int64_t stride, Sums sums) {
  constexpr std::int64_t of_lane = block<T> / 4;
  const Columns d;
  const hn::Repartition<double, Columns> pairs;
  const auto x0 = load_two_rows(b, stride);
  const auto x1 = load_two_rows(b + stride, stride);
  const auto x2 = load_two_rows(b + 2 * stride, stride);
  const auto x3 = load_two_rows(b + 3 * stride, stride);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, x0, x1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, x2, x3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, x0, x1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, x2, x3));
  const auto y0 = hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23));
  const auto y1 = hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23));
  const auto y2 = hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23));
  const auto y3 = hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23));
  sums = add_lanes(a, y0, sums, b);
  sums = add_lanes(a + of_lane, y1, sums, b);
  sums = add_lanes(a + 2 * of_lane, y2, sums, b);
  return add_lanes(a + 3 * of_lane, y3, sums, b);
}

// The last elements of k, fewer than a block: one after the other.
template <class T>
HWY_INLINE Sums add_rest(const float* a, const T* b, std::int64_t stride, std::int64_t count,
                         Sums sums) {
  const Columns d;
  HWY_ALIGN float gathered[lanes];
  for (std::int64_t q = 0; q < count; ++q) {
    for (std::int64_t j = 0; j < lanes; ++j) {
      gathered[j] = static_cast<float>(b[j * stride + q]);
    }
    sums = hn::MulAdd(hn::Set(d, a[q]), hn::Load(d, gathered), sums);
  }
  return sums;
}

// Several vectors of columns at once: a chain of sums waits for its last addition.
template <int vectors, class T>
HWY_INLINE void transposed_columns(const Gemm<T, float>& p, const float* a, const T* b, float* c) {
  Sums sums[vectors];
  for (auto& sum : sums) sum = hn::Zero(Columns());
  const auto in_blocks = p.k / block<T> * block<T>;
  for (std::int64_t q = 0; q < in_blocks; q += block<T>) {
    for (int v = 0; v < vectors; ++v) {
      sums[v] = add_block(a + q, b + v * lanes * p.b_stride + q, p.b_stride, sums[v]);
    }
  }
  for (int v = 0; v < vectors; ++v) {
    const T* rest = b + v * lanes * p.b_stride + in_blocks;
    sums[v] = add_rest(a + in_blocks, rest, p.b_stride, p.k - in_blocks, sums[v]);
    add_sums(sums[v], p, c + v * lanes);
  }
}

template <class T>
void times_transposed(const Gemm<T, float>& p, const float* a, float* c) {
  std::int64_t j = 0;
  for (; j + 4 * lanes <= p.n; j += 4 * lanes) {
    transposed_columns<4>(p, a, p.b + j * p.b_stride, c + j);
  }
  for (; j < p.n; j += lanes) transposed_columns<1>(p, a, p.b + j * p.b_stride, c + j);
}

HWY_INLINE Sums load_numbers(const float* b) { return hn::LoadU(Columns(), b); }
HWY_INLINE Sums load_numbers(const BFloat16* b) {
  const Columns d;
  const hn::RebindToUnsigned<Columns> words;
  const hn::Rebind<std::uint16_t, Columns> halves;
  const auto bits = hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(b));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(words, bits)));
}

// b as it is: its rows are read one after the other, eight for each pass over the sums.
template <class T>
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
      for (auto row = q; row < last; ++row) {
        sum = hn::MulAdd(hn::Set(d, a[row]), load_numbers(p.b + row * p.b_stride + j), sum);
      }
      hn::StoreU(sum, d, at);
    }
  }
  for (std::int64_t j = 0; j < p.n; j += lanes) {
    add_sums(hn::LoadU(d, sums.data() + j), p, c + j);
  }
}

template <class T>
void one_row(const Gemm<T, float>& p, const float* a, float* c) {
  if (p.b_layout == Layout::as_is) {
    times_rows(p, a, c);
  } else {
    times_transposed(p, a, c);
  }
}

void few_rows(const Gemm<float>& p) {
  for (std::int64_t i = 0; i < p.m; ++i) one_row(p, p.a + i * p.a_stride, p.c + i * p.c_stride);
}

void few_rows_of_bf16(const Gemm<BFloat16, float>& p) {
  thread_local std::vector<float> a;
  a.resize(static_cast<std::size_t>(p.k));
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t q = 0; q < p.k; ++q)
      a[static_cast<std::size_t>(q)] = static_cast<float>(p.a[i * p.a_stride + q]);
    one_row(p, a.data(), p.c + i * p.c_stride);
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
