#include "kernels/cpu/attention_rows.h"

#include <limits>

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention_rows.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

// After foreach_target.h.
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr double minus_infinity = -__builtin_huge_val();

// The last, incomplete vector of a row goes through a small buffer: nothing beyond the row is
// touched.
template <class D, class T = hn::TFromD<D>>
hn::Vec<D> load_some(D d, const T* from, std::size_t count, T fill) {
  HWY_ALIGN T buffer[hn::MaxLanes(D())];
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) buffer[i] = i < count ? from[i] : fill;
  return hn::Load(d, buffer);
}
template <class D, class T = hn::TFromD<D>>
void store_some(D d, hn::Vec<D> v, T* to, std::size_t count) {
  HWY_ALIGN T buffer[hn::MaxLanes(D())];
  hn::Store(v, d, buffer);
  for (std::size_t i = 0; i < count; ++i) to[i] = buffer[i];
}

// e^x of a score less its row's maximum. NaN stays NaN, which Highway's Exp would make 0.
//
// In f32: x = n ln 2 + r, the polynomial of Highway's Exp in r, times 2^n. About half of its
// instructions, since x is neither large nor asked to give denormal numbers: below 2^-126 the
// weight is 0, which also spares the products that follow the slow arithmetic of such numbers.
// Relative error at most 3 units of the last place.
template <class D, class V = hn::Vec<D>>
V exp_of(D d, V x) {
  using T = hn::TFromD<D>;
  if constexpr (sizeof(T) == 4) {
    const hn::Rebind<std::int32_t, D> integers;
    // Added to a small number, leaves it rounded to an integer in the lowest bits, biased by 127.
    const auto rounder = hn::Set(d, 12582912.0F + 127.0F);
    const auto biased = hn::MulAdd(x, hn::Set(d, 1.44269504F), rounder);
    const auto n = hn::Sub(biased, rounder);
    auto r = hn::MulAdd(n, hn::Set(d, -0.693145751953125F), x);
    r = hn::MulAdd(n, hn::Set(d, -1.428606765330187045e-6F), r);
    auto p = hn::MulAdd(hn::Set(d, 0.000198527617612853646278381F), r,
                        hn::Set(d, 0.00139304355252534151077271F));
    p = hn::MulAdd(p, r, hn::Set(d, 0.00833336077630519866943359F));
    p = hn::MulAdd(p, r, hn::Set(d, 0.0416664853692054748535156F));
    p = hn::MulAdd(p, r, hn::Set(d, 0.166666671633720397949219F));
    p = hn::MulAdd(p, r, hn::Set(d, 0.5F));
    p = hn::MulAdd(p, hn::Mul(r, r), hn::Add(r, hn::Set(d, 1.0F)));
    const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(integers, biased)));
    const auto result = hn::Mul(p, power);
    return hn::IfThenElse(hn::Lt(x, hn::Set(d, -87.0F)), hn::Zero(d), result);
  } else {
    return hn::IfThenElse(hn::Eq(x, x), hn::Exp(d, x), x);
  }
}

template <class T>
T greatest(const T* x, std::size_t count) {
  const hn::ScalableTag<T> d;
  const auto lanes = hn::Lanes(d);
  auto most = hn::Set(d, static_cast<T>(minus_infinity));
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) most = hn::Max(most, hn::LoadU(d, x + i));
  if (i < count) {
    most = hn::Max(most, load_some(d, x + i, count - i, static_cast<T>(minus_infinity)));
  }
  return hn::GetLane(hn::MaxOfLanes(d, most));
}

// x = exp(x - shift); returns the sum of what it wrote.
template <class T>
T exp_shifted(T* x, std::size_t count, T shift) {
  const hn::ScalableTag<T> d;
  const auto lanes = hn::Lanes(d);
  const auto by = hn::Set(d, shift);
  auto sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto e = exp_of(d, hn::Sub(hn::LoadU(d, x + i), by));
    hn::StoreU(e, d, x + i);
    sum = hn::Add(sum, e);
  }
  if (i < count) {
    const auto last = load_some(d, x + i, count - i, static_cast<T>(minus_infinity));
    const auto e = exp_of(d, hn::Sub(last, by));
    store_some(d, e, x + i, count - i);
    sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, count - i), e));
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

template <class T>
void scale(T* x, T factor, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) x[i] *= factor;
}

template <class T>
void clear(T* begin, const T* end) {
  while (begin < end) *begin++ = 0;
}

// Calls body(row, its visible part, how many) and clears the rest of each row.
template <class T, class Body>
void for_each_row(const ScoreTile<T>& tile, const Body& body) {
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    T* row = tile.data + r * tile.stride;
    const auto seen = tile.visible[r];
    clear(row, row + seen.first);
    body(r, row + seen.first, static_cast<std::size_t>(seen.last - seen.first));
    clear(row + seen.last, row + tile.columns);
  }
}

template <class T>
T exp_of_one(T x) {
  const hn::CappedTag<T, 1> d;
  return hn::GetLane(exp_of(d, hn::Set(d, x)));
}

template <class T>
void online(const ScoreTile<T>& tile, T* maximum, T* sum, T* rescale) {
  for_each_row(tile, [&](std::int64_t r, T* x, std::size_t count) {
    rescale[r] = 1;
    if (count == 0) return;
    const T before = maximum[r];
    const T most = greatest(x, count);
    const T now = most > before ? most : before;
    const T shift = now == static_cast<T>(minus_infinity) ? 0 : now;
    if (now != before)
      rescale[r] = before == static_cast<T>(minus_infinity) ? 0 : exp_of_one(before - now);
    maximum[r] = now;
    sum[r] = sum[r] * rescale[r] + exp_shifted(x, count, shift);
  });
}

template <class T>
void replay(const ScoreTile<T>& tile, const T* log_sum_exp) {
  for_each_row(tile, [&](std::int64_t r, T* x, std::size_t count) {
    exp_shifted(x, count, log_sum_exp[r]);
  });
}

template <class T>
void normalize(const ScoreTile<T>& tile) {
  for_each_row(tile, [&](std::int64_t, T* x, std::size_t count) {
    if (count == 0) return;
    const T most = greatest(x, count);
    const T sum = exp_shifted(x, count, most == static_cast<T>(minus_infinity) ? 0 : most);
    scale(x, sum > 0 || sum != sum ? 1 / sum : 0, static_cast<std::int64_t>(count));
  });
}

template <class T>
void gradient(const ScoreTile<T>& weights, T* given, std::int64_t stride, const T* row_dot) {
  const ScoreTile<T> tile{given, weights.rows, weights.columns, stride, weights.visible};
  for_each_row(tile, [&](std::int64_t r, T* x, std::size_t count) {
    const T* weight = weights.data + r * weights.stride + weights.visible[r].first;
    const T center = row_dot[r];
    for (std::size_t i = 0; i < count; ++i) x[i] = weight[i] * (x[i] - center);
  });
}

template <class T>
void hide(const ScoreTile<T>& tile, T value) {
  if (tile.shown == nullptr) return;
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    T* x = tile.data + r * tile.stride;
    const std::uint8_t* shown = tile.shown + r * tile.shown_stride;
    for (auto i = tile.visible[r].first; i < tile.visible[r].last; ++i) {
      x[i] = shown[i] != 0 ? x[i] : value;
    }
  }
}

// NaN stays NaN, which Highway's functions need not keep.
template <class D, class V = hn::Vec<D>>
V tanh_of(D d, V x) {
  return hn::IfThenElse(hn::Eq(x, x), hn::Tanh(d, x), x);
}

template <class T>
void cap_row(T* x, std::size_t count, T cap, T* derivative) {
  const hn::ScalableTag<T> d;
  const auto lanes = hn::Lanes(d);
  const auto most = hn::Set(d, cap), inverse = hn::Set(d, 1 / cap), one = hn::Set(d, T{1});
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto t = tanh_of(d, hn::Mul(hn::LoadU(d, x + i), inverse));
    hn::StoreU(hn::Mul(most, t), d, x + i);
    if (derivative != nullptr) hn::StoreU(hn::NegMulAdd(t, t, one), d, derivative + i);
  }
  if (i == count) return;
  const auto t = tanh_of(d, hn::Mul(load_some(d, x + i, count - i, T{0}), inverse));
  store_some(d, hn::Mul(most, t), x + i, count - i);
  if (derivative != nullptr) {
    store_some(d, hn::NegMulAdd(t, t, one), derivative + i, count - i);
  }
}

template <class T>
void cap_tile(const ScoreTile<T>& tile, T cap, T* derivative) {
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    const auto seen = tile.visible[r];
    const auto at = r * tile.stride + seen.first;
    cap_row(tile.data + at, static_cast<std::size_t>(seen.last - seen.first), cap,
            derivative == nullptr ? nullptr : derivative + at);
  }
}

template <class T>
void bias(const ScoreTile<T>& tile, const T* slope, const T* row_position,
          const T* column_position) {
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    T* x = tile.data + r * tile.stride;
    const T by = slope[r], position = row_position[r];
    for (auto i = tile.visible[r].first; i < tile.visible[r].last; ++i) {
      x[i] -= by * (position - column_position[i]);
    }
  }
}

template <class T>
void multiply(const ScoreTile<T>& tile, const T* factor) {
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    T* x = tile.data + r * tile.stride;
    const T* by = factor + r * tile.stride;
    for (auto i = tile.visible[r].first; i < tile.visible[r].last; ++i) x[i] *= by[i];
  }
}

template <class T>
T dot_product(const T* a, const T* b, std::int64_t count) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto sum = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    sum = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), sum);
  T total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) total += a[i] * b[i];
  return total;
}

template <class T>
bool finite(const T* x, std::int64_t stride, std::int64_t rows, std::int64_t columns) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  auto zeros = hn::Zero(d);  // stays zero: x - x is NaN where x is infinite or NaN
  T zero = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * stride;
    std::int64_t i = 0;
    for (; i + lanes <= columns; i += lanes) {
      const auto v = hn::LoadU(d, row + i);
      zeros = hn::Add(zeros, hn::Sub(v, v));
    }
    for (; i < columns; ++i) zero += row[i] - row[i];
  }
  return zero + hn::GetLane(hn::SumOfLanes(d, zeros)) == 0;
}

#define LOOKBACK_FOR(T, suffix)                                                           \
  void online_##suffix(const ScoreTile<T>& t, T* m, T* s, T* r) { online(t, m, s, r); }   \
  void replay_##suffix(const ScoreTile<T>& t, const T* l) { replay(t, l); }               \
  void softmax_##suffix(const ScoreTile<T>& t) { normalize(t); }                          \
  void gradient_##suffix(const ScoreTile<T>& t, T* g, std::int64_t stride, const T* d) {  \
    gradient(t, g, stride, d);                                                            \
  }                                                                                       \
  void cap_##suffix(const ScoreTile<T>& t, T c, T* d) { cap_tile(t, c, d); }              \
  void bias_##suffix(const ScoreTile<T>& t, const T* s, const T* r, const T* c) {         \
    bias(t, s, r, c);                                                                     \
  }                                                                                       \
  void multiply_##suffix(const ScoreTile<T>& t, const T* f) { multiply(t, f); }           \
  void hide_##suffix(const ScoreTile<T>& t, T value) { hide(t, value); }                  \
  T dot_##suffix(const T* a, const T* b, std::int64_t n) { return dot_product(a, b, n); } \
  bool finite_##suffix(const T* x, std::int64_t stride, std::int64_t r, std::int64_t c) { \
    return finite(x, stride, r, c);                                                       \
  }                                                                                       \
  void scale_##suffix(T* x, T factor, std::int64_t n) { scale(x, factor, n); }
LOOKBACK_FOR(float, f32)
LOOKBACK_FOR(double, f64)
#undef LOOKBACK_FOR

}  // namespace lookback::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {

#define LOOKBACK_FOR(T, suffix)                                                                  \
  HWY_EXPORT(online_##suffix);                                                                   \
  HWY_EXPORT(replay_##suffix);                                                                   \
  HWY_EXPORT(softmax_##suffix);                                                                  \
  HWY_EXPORT(gradient_##suffix);                                                                 \
  HWY_EXPORT(cap_##suffix);                                                                      \
  HWY_EXPORT(bias_##suffix);                                                                     \
  HWY_EXPORT(multiply_##suffix);                                                                 \
  HWY_EXPORT(hide_##suffix);                                                                     \
  HWY_EXPORT(dot_##suffix);                                                                      \
  HWY_EXPORT(finite_##suffix);                                                                   \
  HWY_EXPORT(scale_##suffix);                                                                    \
  void online_softmax(const ScoreTile<T>& tile, T* maximum, T* sum, T* rescale) {                \
    HWY_DYNAMIC_DISPATCH(online_##suffix)(tile, maximum, sum, rescale);                          \
  }                                                                                              \
  void weights_from_log_sum_exp(const ScoreTile<T>& tile, const T* log_sum_exp) {                \
    HWY_DYNAMIC_DISPATCH(replay_##suffix)(tile, log_sum_exp);                                    \
  }                                                                                              \
  void softmax_rows(const ScoreTile<T>& tile) { HWY_DYNAMIC_DISPATCH(softmax_##suffix)(tile); }  \
  void score_gradient(const ScoreTile<T>& weights, T* gradient, std::int64_t stride,             \
                      const T* row_dot) {                                                        \
    HWY_DYNAMIC_DISPATCH(gradient_##suffix)(weights, gradient, stride, row_dot);                 \
  }                                                                                              \
  void cap_scores(const ScoreTile<T>& tile, T cap, T* derivative) {                              \
    HWY_DYNAMIC_DISPATCH(cap_##suffix)(tile, cap, derivative);                                   \
  }                                                                                              \
  void bias_by_distance(const ScoreTile<T>& tile, const T* slope, const T* row_position,         \
                        const T* column_position) {                                              \
    HWY_DYNAMIC_DISPATCH(bias_##suffix)(tile, slope, row_position, column_position);             \
  }                                                                                              \
  void hide_scores(const ScoreTile<T>& tile) {                                                   \
    HWY_DYNAMIC_DISPATCH(hide_##suffix)(tile, -std::numeric_limits<T>::infinity());              \
  }                                                                                              \
  void hide_gradient(const ScoreTile<T>& tile) { HWY_DYNAMIC_DISPATCH(hide_##suffix)(tile, 0); } \
  void multiply_rows(const ScoreTile<T>& x, const T* factor) {                                   \
    HWY_DYNAMIC_DISPATCH(multiply_##suffix)(x, factor);                                          \
  }                                                                                              \
  T dot(const T* a, const T* b, std::int64_t count) {                                            \
    return HWY_DYNAMIC_DISPATCH(dot_##suffix)(a, b, count);                                      \
  }                                                                                              \
  bool all_finite(const T* x, std::int64_t stride, std::int64_t rows, std::int64_t columns) {    \
    return HWY_DYNAMIC_DISPATCH(finite_##suffix)(x, stride, rows, columns);                      \
  }                                                                                              \
  void scale_row(T* x, T factor, std::int64_t count) {                                           \
    HWY_DYNAMIC_DISPATCH(scale_##suffix)(x, factor, count);                                      \
  }
LOOKBACK_FOR(float, f32)
LOOKBACK_FOR(double, f64)
#undef LOOKBACK_FOR

}  // namespace lookback::kernels
#endif
