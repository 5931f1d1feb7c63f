// rms_norm and add_rms_norm: the same rows, read after an addition or without one.
#include "kernels/rms_norm.h"

#include <cmath>

#include "kernels/add_rms_norm.h"
#include "kernels/cpu/simd_targets.h"
#include "runtime/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rms_norm.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace simd::HWY_NAMESPACE;  // NOLINT(google-build-using-namespace)

// Of which dweight has a sum of its own.
constexpr std::int64_t rows_per_chunk = 64;

template <class T>
T* row_of(const Operand& x, std::int64_t r) {
  return static_cast<T*>(x.data) + r * x.stride(0);
}

// Returns inverse_rms. What a row holds stays in the first cache between its passes.
template <class T, class Y>
Accumulator<T> normalize(const T* x, const T* weight, double epsilon, std::int64_t columns, Y* y) {
  using Sum = Accumulator<T>;
  const Sum squares = sum_of<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto value = load(d, x + i);
    return hn::Mul(value, value);
  });
  const Sum inverse =
      1 / std::sqrt(squares / static_cast<Sum>(columns) + static_cast<Sum>(epsilon));
  for_each_vector<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto normed = hn::Mul(load(d, x + i), hn::Set(d, inverse));
    store(d, hn::Mul(normed, load(d, weight + i)), y + i);
  });
  return inverse;
}

template <class T>
void add(const T* x, const T* a, std::int64_t columns, T* h) {
  for_each_vector<Accumulator<T>>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    store(d, hn::Add(load(d, x + i), load(d, a + i)), h + i);
  });
}

void forward(const RmsNormForwardArgs& a) {
  visit_rounded(a.x.dtype, a.y.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    parallel_for(a.x.size(0), rows_per_chunk, [&](std::int64_t begin, std::int64_t end) {
      for (auto r = begin; r < end; ++r) {
        a.inverse_rms.as<Accumulator<T>>()[r] = normalize(
            row_of<T>(a.x, r), a.weight.as<T>(), a.epsilon, a.x.size(1), row_of<Y>(a.y, r));
      }
    });
  });
}

void add_forward(const AddRmsNormForwardArgs& a) {
  visit_rounded(a.x.dtype, a.y.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    parallel_for(a.x.size(0), rows_per_chunk, [&](std::int64_t begin, std::int64_t end) {
      for (auto r = begin; r < end; ++r) {
        T* h = row_of<T>(a.h, r);
        add(row_of<T>(a.x, r), row_of<T>(a.a, r), a.x.size(1), h);
        a.inverse_rms.as<Accumulator<T>>()[r] =
            normalize(h, a.weight.as<T>(), a.epsilon, a.x.size(1), row_of<Y>(a.y, r));
      }
    });
  });
}

// dx of one row; and, where partial is not null, dy x inverse_rms is added to it.
template <class T, class Y>
void backward_row(const RmsNormBackwardArgs& a, std::int64_t r, Accumulator<T>* partial) {
  using Sum = Accumulator<T>;
  const std::int64_t columns = a.x.size(1);
  const T* weight = a.weight.as<T>();
  const T* x = row_of<T>(a.x, r);
  const Y* dy = row_of<Y>(a.dy, r);
  const T* dsum = a.dsum.present() ? row_of<T>(a.dsum, r) : nullptr;
  T* dx = row_of<T>(a.dx, r);
  auto* rounded = a.dx_rounded.present() ? row_of<BFloat16>(a.dx_rounded, r) : nullptr;
  const Sum inverse = a.inverse_rms.as<Sum>()[r];
  const Sum dot = sum_of<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    return hn::Mul(hn::Mul(load(d, weight + i), load(d, dy + i)), load(d, x + i));
  });
  const Sum pull = dot / static_cast<Sum>(columns) * inverse * inverse;
  for_each_vector<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto value = load(d, x + i);
    const auto slope = load(d, dy + i);
    const auto r_inverse = hn::Set(d, inverse);
    if (partial != nullptr) {
      const auto share = hn::Mul(hn::Mul(slope, value), r_inverse);
      store(d, hn::Add(load(d, partial + i), share), partial + i);
    }
    const auto pulled = hn::NegMulAdd(value, hn::Set(d, pull), hn::Mul(load(d, weight + i), slope));
    const auto own = hn::Mul(pulled, r_inverse);
    const auto total = dsum == nullptr ? own : hn::Add(own, load(d, dsum + i));
    store(d, total, dx + i);
    if constexpr (std::is_same_v<T, float>) {
      if (rounded != nullptr) store(d, total, rounded + i);
    }
  });
}

template <class T, class Y>
void backward_rows(const RmsNormBackwardArgs& a, std::int64_t begin, std::int64_t end) {
  using Sum = Accumulator<T>;
  const std::int64_t columns = a.x.size(1);
  Sum* partial = nullptr;
  if (a.dweight.present()) {
    partial = a.workspace.as<Sum>() + begin / rows_per_chunk * columns;
    std::fill(partial, partial + columns, Sum(0));
  }
  for (auto r = begin; r < end; ++r) backward_row<T, Y>(a, r, partial);
}

template <class T>
void add_up_partials(const RmsNormBackwardArgs& a) {
  using Sum = Accumulator<T>;
  const std::int64_t columns = a.x.size(1);
  const auto partials = (a.x.size(0) + rows_per_chunk - 1) / rows_per_chunk;
  for_each_vector<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    auto total = hn::Zero(d);
    for (std::int64_t p = 0; p < partials; ++p) {
      total = hn::Add(total, load(d, a.workspace.as<Sum>() + p * columns + i));
    }
    store(d, total, a.dweight.as<T>() + i);
  });
}

void backward(const RmsNormBackwardArgs& a) {
  visit_rounded(a.x.dtype, a.dy.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    parallel_for(a.x.size(0), rows_per_chunk,
                 [&](std::int64_t begin, std::int64_t end) { backward_rows<T, Y>(a, begin, end); });
    if (a.dweight.present()) add_up_partials<T>(a);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {

// A sum of dweight for each chunk.
std::size_t workspace_bytes(const RmsNormBackwardArgs& a) {
  if (!a.dweight.present()) return 0;
  constexpr auto per_chunk = HWY_NAMESPACE::rows_per_chunk;
  const auto chunks = (a.x.size(0) + per_chunk - 1) / per_chunk;
  return static_cast<std::size_t>(chunks * a.x.size(1)) * size_of(accumulator_of(a.x.dtype));
}

HWY_EXPORT(forward);
HWY_EXPORT(add_forward);
HWY_EXPORT(backward);
const Registration forward_registered{rms_norm_forward, Backend::cpu,
                                      [](const RmsNormForwardArgs& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};
const Registration add_forward_registered{add_rms_norm_forward, Backend::cpu,
                                          [](const AddRmsNormForwardArgs& a) {
                                            HWY_DYNAMIC_DISPATCH(add_forward)(a);
                                          }};
const Registration backward_registered{rms_norm_backward, Backend::cpu,
                                       [](const RmsNormBackwardArgs& a) {
                                         HWY_DYNAMIC_DISPATCH(backward)
                                         (a);
                                       },
                                       workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
#endif
