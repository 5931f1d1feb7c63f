#include "kernels/cpu/composed_rows.h"

#include <algorithm>

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/composed_rows.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A vector of numbers in memory, or the first few of one: the others are read as 0 and not written.
template <class T>
struct Whole {
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  HWY_INLINE V load(const T* from) const { return hn::LoadU(D(), from); }
  HWY_INLINE void store(V v, T* to) const { hn::StoreU(v, D(), to); }
};
template <class T>
struct FirstOf {
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  hn::Mask<D> mask;
  HWY_INLINE V load(const T* from) const { return hn::MaskedLoad(mask, D(), from); }
  HWY_INLINE void store(V v, T* to) const { hn::BlendedStore(v, mask, D(), to); }
};

// One vector of keys, beginning at x and at mixing.key.
template <class T, class Part>
HWY_INLINE void compose_vector(const PairMixing<T>& m, const Part& part, T* x, const T* key,
                               std::int64_t head_step, T* composed) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto heads = m.heads;
  const auto one = hn::Set(d, 1);
  const T* query_gate = m.query + 2 * m.rank * heads;
  const T* key_gate = key + 2 * m.rank * heads * m.key_step;
  for (std::int64_t h = 0; h < heads; ++h) {
    const auto gate =
        hn::Add(hn::Add(one, hn::Set(d, query_gate[h])), part.load(key_gate + h * m.key_step));
    hn::StoreU(hn::Mul(part.load(x + h * head_step), gate), d, composed + h * lanes);
  }
  for (std::int64_t h = 0; m.fixed != nullptr && h < heads; ++h) {
    const auto from = part.load(x + h * head_step);
    for (std::int64_t n = 0; n < heads; ++n) {
      T* to = composed + n * lanes;
      hn::StoreU(hn::MulAdd(from, hn::Set(d, m.fixed[h * heads + n]), hn::LoadU(d, to)), d, to);
    }
  }
  for (std::int64_t r = 0; r < m.rank; ++r) {
    const T* query_in = m.query + r * heads;
    const T* query_out = query_in + m.rank * heads;
    const T* key_in = key + r * heads * m.key_step;
    const T* key_out = key_in + m.rank * heads * m.key_step;
    auto by_query = hn::Zero(d);
    auto by_key = hn::Zero(d);
    for (std::int64_t h = 0; h < heads; ++h) {
      const auto from = part.load(x + h * head_step);
      by_query = hn::MulAdd(from, hn::Set(d, query_in[h]), by_query);
      by_key = hn::MulAdd(from, part.load(key_in + h * m.key_step), by_key);
    }
    for (std::int64_t n = 0; n < heads; ++n) {
      T* to = composed + n * lanes;
      const auto sum = hn::MulAdd(by_query, hn::Set(d, query_out[n]), hn::LoadU(d, to));
      hn::StoreU(hn::MulAdd(by_key, part.load(key_out + n * m.key_step), sum), d, to);
    }
  }
  for (std::int64_t h = 0; h < heads; ++h) {
    part.store(hn::LoadU(d, composed + h * lanes), x + h * head_step);
  }
}

template <class T>
void compose_all(const PairMixing<T>& m, T* x, std::int64_t head_step, std::int64_t count,
                 T* scratch) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t j = 0;
  for (; j + lanes <= count; j += lanes) {
    compose_vector(m, Whole<T>{}, x + j, m.key + j, head_step, scratch);
  }
  if (j < count) {
    const FirstOf<T> part{hn::FirstN(d, static_cast<std::size_t>(count - j))};
    compose_vector(m, part, x + j, m.key + j, head_step, scratch);
  }
}

// Sums over keys, a vector for each number, until the run is done.
template <class T>
struct LaneSums {
  T* dx;     // [heads]
  T* query;  // [2 rank + 1, heads]
  T* fixed;  // [heads, heads]
};

template <class T, class V>
HWY_INLINE void add_to(T* sum, V a, V b) {
  const hn::ScalableTag<T> d;
  hn::StoreU(hn::MulAdd(a, b, hn::LoadU(d, sum)), d, sum);
}
template <class Part, class T, class V>
HWY_INLINE void add_to(const Part& part, T* sum, V a, V b) {
  part.store(hn::MulAdd(a, b, part.load(sum)), sum);
}

// dx of the part that every head has for itself, and of the fixed mixing.
template <class T, class Part>
HWY_INLINE void own_gradient(const PairMixing<T>& m, const Part& part, const T* x, const T* g,
                             const T* key, T* dkey, std::int64_t head_step,
                             const LaneSums<T>& sums) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto heads = m.heads;
  const auto gates = 2 * m.rank * heads;
  for (std::int64_t h = 0; h < heads; ++h) {
    const auto from = part.load(x + h * head_step);
    const auto gradient = part.load(g + h * head_step);
    const auto key_gate = (gates + h) * m.key_step;
    const auto gate =
        hn::Add(hn::Add(hn::Set(d, 1), hn::Set(d, m.query[gates + h])), part.load(key + key_gate));
    hn::StoreU(hn::Mul(gradient, gate), d, sums.dx + h * lanes);
    add_to(sums.query + (gates + h) * lanes, from, gradient);
    add_to(part, dkey + key_gate, from, gradient);
  }
  for (std::int64_t h = 0; m.fixed != nullptr && h < heads; ++h) {
    const auto from = part.load(x + h * head_step);
    auto dx = hn::LoadU(d, sums.dx + h * lanes);
    for (std::int64_t n = 0; n < heads; ++n) {
      const auto gradient = part.load(g + n * head_step);
      dx = hn::MulAdd(gradient, hn::Set(d, m.fixed[h * heads + n]), dx);
      add_to(sums.fixed + (h * heads + n) * lanes, from, gradient);
    }
    hn::StoreU(dx, d, sums.dx + h * lanes);
  }
}

template <class T, class Part>
HWY_INLINE void gradient_vector(const PairMixing<T>& m, const Part& part, const T* x, T* g,
                                const T* key, T* dkey, std::int64_t head_step,
                                const LaneSums<T>& sums) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto heads = m.heads;
  own_gradient(m, part, x, g, key, dkey, head_step, sums);
  for (std::int64_t r = 0; r < m.rank; ++r) {
    const auto in = r * heads;
    const auto out = (m.rank + r) * heads;
    auto query_in = hn::Zero(d), query_out = hn::Zero(d);
    auto key_in = hn::Zero(d), key_out = hn::Zero(d);
    for (std::int64_t h = 0; h < heads; ++h) {
      const auto from = part.load(x + h * head_step);
      const auto gradient = part.load(g + h * head_step);
      query_in = hn::MulAdd(from, hn::Set(d, m.query[in + h]), query_in);
      query_out = hn::MulAdd(gradient, hn::Set(d, m.query[out + h]), query_out);
      key_in = hn::MulAdd(from, part.load(key + (in + h) * m.key_step), key_in);
      key_out = hn::MulAdd(gradient, part.load(key + (out + h) * m.key_step), key_out);
    }
    for (std::int64_t h = 0; h < heads; ++h) {
      const auto from = part.load(x + h * head_step);
      const auto gradient = part.load(g + h * head_step);
      T* dx = sums.dx + h * lanes;
      const auto by_query = hn::MulAdd(query_out, hn::Set(d, m.query[in + h]), hn::LoadU(d, dx));
      hn::StoreU(hn::MulAdd(key_out, part.load(key + (in + h) * m.key_step), by_query), d, dx);
      add_to(sums.query + (in + h) * lanes, from, query_out);
      add_to(sums.query + (out + h) * lanes, query_in, gradient);
      add_to(part, dkey + (in + h) * m.key_step, from, key_out);
      add_to(part, dkey + (out + h) * m.key_step, key_in, gradient);
    }
  }
  for (std::int64_t h = 0; h < heads; ++h) {
    part.store(hn::LoadU(d, sums.dx + h * lanes), g + h * head_step);
  }
}

template <class T>
void compose_gradient_all(const PairMixing<T>& m, const T* x, T* g, std::int64_t head_step,
                          std::int64_t count, const PairMixingGradient<T>& to, T* scratch) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto query_numbers = m.rows() * m.heads;
  const auto fixed_numbers = m.fixed == nullptr ? 0 : m.heads * m.heads;
  LaneSums<T> sums{scratch, scratch + m.heads * lanes, nullptr};
  sums.fixed = sums.query + query_numbers * lanes;
  std::fill_n(sums.query, (query_numbers + fixed_numbers) * lanes, T{0});
  std::int64_t j = 0;
  for (; j + lanes <= count; j += lanes) {
    gradient_vector(m, Whole<T>{}, x + j, g + j, m.key + j, to.key + j, head_step, sums);
  }
  if (j < count) {
    const FirstOf<T> part{hn::FirstN(d, static_cast<std::size_t>(count - j))};
    gradient_vector(m, part, x + j, g + j, m.key + j, to.key + j, head_step, sums);
  }
  for (std::int64_t i = 0; i < query_numbers; ++i) {
    to.query[i] += hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, sums.query + i * lanes)));
  }
  for (std::int64_t i = 0; i < fixed_numbers; ++i) {
    to.fixed[i] += hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, sums.fixed + i * lanes)));
  }
}

#define LOOKBACK_FOR(T, suffix)                                                               \
  void compose_##suffix(const PairMixing<T>& m, T* x, std::int64_t step, std::int64_t count,  \
                        T* scratch) {                                                         \
    compose_all(m, x, step, count, scratch);                                                  \
  }                                                                                           \
  void compose_gradient_##suffix(const PairMixing<T>& m, const T* x, T* g, std::int64_t step, \
                                 std::int64_t count, const PairMixingGradient<T>& to,         \
                                 T* scratch) {                                                \
    compose_gradient_all(m, x, g, step, count, to, scratch);                                  \
  }
LOOKBACK_FOR(float, f32)
LOOKBACK_FOR(double, f64)
#undef LOOKBACK_FOR

}  // namespace lookback::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {

#define LOOKBACK_FOR(T, suffix)                                                               \
  HWY_EXPORT(compose_##suffix);                                                               \
  HWY_EXPORT(compose_gradient_##suffix);                                                      \
  void compose(const PairMixing<T>& mixing, T* x, std::int64_t head_step, std::int64_t count, \
               T* scratch) {                                                                  \
    HWY_DYNAMIC_DISPATCH(compose_##suffix)(mixing, x, head_step, count, scratch);             \
  }                                                                                           \
  void compose_gradient(const PairMixing<T>& mixing, const T* x, T* gradient,                 \
                        std::int64_t head_step, std::int64_t count,                           \
                        const PairMixingGradient<T>& to, T* scratch) {                        \
    HWY_DYNAMIC_DISPATCH(compose_gradient_##suffix)                                           \
    (mixing, x, gradient, head_step, count, to, scratch);                                     \
  }
LOOKBACK_FOR(float, f32)
LOOKBACK_FOR(double, f64)
#undef LOOKBACK_FOR

}  // namespace lookback::kernels
#endif
