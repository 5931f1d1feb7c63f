#include "kernels/cpu/few_rows.h"

#include <algorithm>
#include <vector>

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/few_rows.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// At most 32 bytes: the transposition below is written for one and two blocks of 16.
template <class T>
using Columns = hn::CappedTag<T, 32 / sizeof(T)>;

// c = alpha * s + (0 or c).
template <class D, class V, class T>
HWY_INLINE void add_sums(D d, V sums, const Gemm<T>& p, T* c) {
  const auto before = p.into == Into::sum ? hn::LoadU(d, c) : hn::Zero(d);
  hn::StoreU(hn::MulAdd(sums, hn::Set(d, static_cast<T>(p.alpha)), before), d, c);
}

#if HWY_TARGET != HWY_SCALAR
// Rows r and, in vectors of two blocks, r + block of b, from column p on.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_rows(D d, const T* b, std::int64_t stride) {
  constexpr std::int64_t block = 16 / sizeof(T);
  if constexpr (hn::MaxLanes(D()) == block) {
    return hn::LoadU(d, b);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, hn::LoadU(half, b + block * stride), hn::LoadU(half, b));
  }
}

// sums += a[p ..] times as many rows of a transposed b as d has lanes, one block of 16 bytes of
// each: transposed in registers, added in the order of p.
template <class D>
HWY_INLINE hn::Vec<D> add_block(D d, const float* a, const float* b, std::int64_t stride,
                                hn::Vec<D> sums) {
  const hn::Repartition<double, D> pairs;
  const auto x0 = load_rows(d, b, stride);
  const auto x1 = load_rows(d, b + stride, stride);
  const auto x2 = load_rows(d, b + 2 * stride, stride);
  const auto x3 = load_rows(d, b + 3 * stride, stride);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, x0, x1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, x2, x3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, x0, x1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, x2, x3));
  const auto y0 = hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23));
  const auto y1 = hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23));
  const auto y2 = hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23));
  const auto y3 = hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23));
  sums = hn::MulAdd(hn::Set(d, a[0]), y0, sums);
  sums = hn::MulAdd(hn::Set(d, a[1]), y1, sums);
  sums = hn::MulAdd(hn::Set(d, a[2]), y2, sums);
  return hn::MulAdd(hn::Set(d, a[3]), y3, sums);
}
#endif

// One column after the other, for what fills no vector: the lanes beyond are not looked at.
template <class D, class T>
HWY_INLINE hn::Vec<D> add_columns(D d, const Gemm<T>& p, const T* a, const T* b, std::int64_t first,
                                  std::int64_t last, std::int64_t columns, hn::Vec<D> sums) {
  HWY_ALIGN T gathered[hn::MaxLanes(D())] = {};
  const bool as_is = p.b_layout == Layout::as_is;
  for (auto q = first; q < last; ++q) {
    for (std::int64_t j = 0; j < columns; ++j) {
      gathered[j] = as_is ? b[q * p.b_stride + j] : b[j * p.b_stride + q];
    }
    sums = hn::MulAdd(hn::Set(d, a[q]), hn::Load(d, gathered), sums);
  }
  return sums;
}

// Columns [first, n), fewer than a vector has lanes, of one row.
template <class T>
void last_columns(const Gemm<T>& p, const T* a, std::int64_t first, T* c) {
  const Columns<T> d;
  const auto columns = p.n - first;
  if (columns <= 0) return;
  const T* b = p.b + (p.b_layout == Layout::as_is ? first : first * p.b_stride);
  const auto sums = add_columns(d, p, a, b, 0, p.k, columns, hn::Zero(d));
  HWY_ALIGN T result[hn::MaxLanes(Columns<T>())] = {};
  std::copy_n(c + first, columns, result);
  add_sums(d, sums, p, result);
  std::copy_n(result, columns, c + first);
}

// Four vectors of columns at once: a chain of sums waits for its last addition.
template <int vectors, class T>
HWY_INLINE void transposed_columns(const Gemm<T>& p, const T* a, const T* b, T* c) {
  const Columns<T> d;
  constexpr std::int64_t lanes = hn::MaxLanes(Columns<T>());
  hn::Vec<Columns<T>> sums[vectors];
  for (auto& sum : sums) sum = hn::Zero(d);
  std::int64_t q = 0;
#if HWY_TARGET != HWY_SCALAR
  constexpr std::int64_t block = 16 / sizeof(T);
  for (; q + block <= p.k; q += block) {
    for (int v = 0; v < vectors; ++v) {
      sums[v] = add_block(d, a + q, b + v * lanes * p.b_stride + q, p.b_stride, sums[v]);
    }
  }
#endif
  for (int v = 0; v < vectors; ++v) {
    const T* rows = b + v * lanes * p.b_stride;
    add_sums(d, add_columns(d, p, a, rows, q, p.k, lanes, sums[v]), p, c + v * lanes);
  }
}

template <class T>
void times_transposed(const Gemm<T>& p, const T* a, T* c) {
  constexpr std::int64_t lanes = hn::MaxLanes(Columns<T>());
  std::int64_t j = 0;
  for (; j + 4 * lanes <= p.n; j += 4 * lanes) {
    transposed_columns<4>(p, a, p.b + j * p.b_stride, c + j);
  }
  for (; j + lanes <= p.n; j += lanes) transposed_columns<1>(p, a, p.b + j * p.b_stride, c + j);
  last_columns(p, a, j, c);
}

// b as it is: its rows are read one after the other, eight for each pass over the sums.
template <class T>
void times_rows(const Gemm<T>& p, const T* a, T* c) {
  const Columns<T> d;
  constexpr std::int64_t lanes = hn::MaxLanes(Columns<T>());
  constexpr std::int64_t rows_of_pass = 8;
  const auto whole = p.n / lanes * lanes;
  thread_local std::vector<T> sums;
  sums.assign(static_cast<std::size_t>(whole), T{0});
  for (std::int64_t q = 0; q < p.k; q += rows_of_pass) {
    const auto last = std::min(q + rows_of_pass, p.k);
    for (std::int64_t j = 0; j < whole; j += lanes) {
      T* at = sums.data() + j;
      auto sum = hn::LoadU(d, at);
      for (auto row = q; row < last; ++row) {
        sum = hn::MulAdd(hn::Set(d, a[row]), hn::LoadU(d, p.b + row * p.b_stride + j), sum);
      }
      hn::StoreU(sum, d, at);
    }
  }
  for (std::int64_t j = 0; j < whole; j += lanes) {
    add_sums(d, hn::LoadU(d, sums.data() + j), p, c + j);
  }
  last_columns(p, a, whole, c);
}

template <class T>
void product(const Gemm<T>& p) {
  for (std::int64_t i = 0; i < p.m; ++i) {
    const T* a = p.a + i * p.a_stride;
    T* c = p.c + i * p.c_stride;
    if (p.b_layout == Layout::as_is) {
      times_rows(p, a, c);
    } else {
      times_transposed(p, a, c);
    }
  }
}

void few_rows(const Gemm<float>& p) { product(p); }

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {
HWY_EXPORT(few_rows);
}  // namespace

void few_rows_product(const Gemm<float>& p) { HWY_DYNAMIC_DISPATCH(few_rows)(p); }

}  // namespace lookback::kernels
#endif
