#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/softmax.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace simd::HWY_NAMESPACE;  // NOLINT(google-build-using-namespace)

// f32 and f64 keep e^(x - m) in y and divide it there; in bf16 that would round twice, so it is
// computed again.
template <class T>
void forward_row(const T* x, T* y, std::int64_t columns) {
  using Sum = Accumulator<T>;
  const Sum largest = max_of(x, columns);
  if (largest == -std::numeric_limits<Sum>::infinity() && nothing_but_hidden(x, columns)) {
    std::fill(y, y + columns, T(0.0F));
    return;
  }
  // A hidden entry is 0 also in a row that holds a NaN.
  const auto exponential = [&](auto d, std::int64_t i) HWY_ATTR {
    const auto entry = load(d, x + i);
    const auto hidden = hn::Eq(entry, hn::Set(d, -std::numeric_limits<Sum>::infinity()));
    return hn::IfThenZeroElse(hidden, exp_of_negative(d, hn::Sub(entry, hn::Set(d, largest))));
  };
  const Sum total = sum_of<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto e = exponential(d, i);
    if constexpr (std::is_same_v<T, Sum>) store(d, e, y + i);
    return e;
  });
  const auto share = [&](auto d, auto e) HWY_ATTR {
    return hn::IfThenZeroElse(hn::Eq(e, hn::Zero(d)), hn::Div(e, hn::Set(d, total)));
  };
  for_each_vector<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    if constexpr (std::is_same_v<T, Sum>) {
      store(d, share(d, load(d, y + i)), y + i);
    } else {
      store(d, share(d, exponential(d, i)), y + i);
    }
  });
}

template <class T>
void backward_row(const T* dy, const T* y, T* dx, std::int64_t columns) {
  using Sum = Accumulator<T>;
  const Sum dot = sum_of<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto weight = load(d, y + i);
    return hn::IfThenZeroElse(hn::Eq(weight, hn::Zero(d)), hn::Mul(weight, load(d, dy + i)));
  });
  for_each_vector<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto weight = load(d, y + i);
    const auto slope = hn::Mul(weight, hn::Sub(load(d, dy + i), hn::Set(d, dot)));
    store(d, hn::IfThenZeroElse(hn::Eq(weight, hn::Zero(d)), slope), dx + i);
  });
}

void forward(const SoftmaxForwardArgs& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    for_each_row(a.y, [&](std::int64_t r) {
      forward_row(row_of<T>(a.x, r), row_of<T>(a.y, r), a.y.size(1));
    });
  });
}

void backward(const SoftmaxBackwardArgs& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    for_each_row(a.dx, [&](std::int64_t r) {
      backward_row(row_of<T>(a.dy, r), row_of<T>(a.y, r), row_of<T>(a.dx, r), a.dx.size(1));
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace
}  // namespace lookback::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lookback::kernels {
namespace {

HWY_EXPORT(forward);
HWY_EXPORT(backward);
const Registration forward_registered{softmax_forward, Backend::cpu,
                                      [](const SoftmaxForwardArgs& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};
const Registration backward_registered{softmax_backward, Backend::cpu,
                                       [](const SoftmaxBackwardArgs& a) {
                                         HWY_DYNAMIC_DISPATCH(backward)(a);
                                       }};

}  // namespace
}  // namespace lookback::kernels
#endif
