#include "kernels/log_softmax.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/log_softmax.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lookback::kernels {
namespace {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace simd::HWY_NAMESPACE;  // NOLINT(google-build-using-namespace)

template <class T>
void forward_row(const T* x, T* y, std::int64_t columns) {
  using Sum = Accumulator<T>;
  const Sum largest = max_of(x, columns);
  if (largest == -std::numeric_limits<Sum>::infinity() && nothing_but_hidden(x, columns)) {
    std::copy(x, x + columns, y);
    return;
  }
  const Sum total = sum_of<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    return exp_of_negative(d, hn::Sub(load(d, x + i), hn::Set(d, largest)));
  });
  const Sum log_total = std::log(total);
  for_each_vector<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto below = hn::Sub(load(d, x + i), hn::Set(d, largest));
    store(d, hn::Sub(below, hn::Set(d, log_total)), y + i);
  });
}

template <class T>
void backward_row(const T* dy, const T* y, T* dx, std::int64_t columns) {
  using Sum = Accumulator<T>;
  const auto hidden = [](auto d, auto logarithm) HWY_ATTR {
    return hn::Eq(logarithm, hn::Set(d, -std::numeric_limits<Sum>::infinity()));
  };
  const Sum total = sum_of<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    return hn::IfThenZeroElse(hidden(d, load(d, y + i)), load(d, dy + i));
  });
  for_each_vector<Sum>(columns, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto logarithm = load(d, y + i);
    const auto weight = exp_of_negative(d, logarithm);
    const auto slope = hn::NegMulAdd(weight, hn::Set(d, total), load(d, dy + i));
    store(d, hn::IfThenZeroElse(hidden(d, logarithm), slope), dx + i);
  });
}

void forward(const LogSoftmaxForwardArgs& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    for_each_row(a.y, [&](std::int64_t r) {
      forward_row(row_of<T>(a.x, r), row_of<T>(a.y, r), a.y.size(1));
    });
  });
}

void backward(const LogSoftmaxBackwardArgs& a) {
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
const Registration forward_registered{log_softmax_forward, Backend::cpu,
                                      [](const LogSoftmaxForwardArgs& a) {
                                        HWY_DYNAMIC_DISPATCH(forward)(a);
                                      }};
const Registration backward_registered{log_softmax_backward, Backend::cpu,
                                       [](const LogSoftmaxBackwardArgs& a) {
                                         HWY_DYNAMIC_DISPATCH(backward)(a);
                                       }};

}  // namespace
}  // namespace lookback::kernels
#endif
