#include "kernels/max.h"

#include <algorithm>

#include "kernels/core/reduction_plan.h"
#include "kernels/cpu/strided_loop.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

template <class T>
struct Largest {
  T value;
  std::int64_t index;
};

// NaN is not equal to itself: once found it is kept, for no comparison with it holds.
template <class T>
Largest<T> largest_of(const T* x, const Nest& reduced) {
  using Sum = Accumulator<T>;
  const std::int64_t terms = reduced.numel(), row = reduced.row(), step = reduced.step();
  Largest<T> best{*x, 0};
  auto best_value = static_cast<Sum>(*x);
  for (std::int64_t start = 0; start < terms && best_value == best_value; start += row) {
    const T* at = x + reduced.offset(start);
    for (std::int64_t i = 0; i < row; ++i) {
      const auto value = static_cast<Sum>(at[i * step]);
      if (value <= best_value) continue;
      best = {at[i * step], start + i};
      best_value = value;
      if (value != value) break;
    }
  }
  return best;
}

void forward(const MaxForwardArgs& a) {
  const auto& kept_sizes = a.y.present() ? a.y.sizes : a.index.sizes;
  const ReductionPlan plan(a.x, kept_sizes);
  const std::int64_t chunk = std::max<std::int64_t>(1, (1 << 14) / plan.reduced.numel());
  visit_any(a.x.dtype, [&]<class T>(TypeTag<T>) {
    parallel_for(kept_sizes.numel(), chunk, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto largest = largest_of(a.x.as<T>() + plan.kept.offset(i), plan.reduced);
        if (a.y.present()) a.y.as<T>()[i] = largest.value;
        if (a.index.present()) a.index.as<std::int64_t>()[i] = largest.index;
      }
    });
  });
}

void backward(const MaxBackwardArgs& a) {
  const ReductionPlan plan(a.dx, a.index.sizes);
  const auto* index = a.index.as<std::int64_t>();
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    T* dx = a.dx.as<T>();
    std::fill(dx, dx + a.dx.numel(), T(0.0F));
    const StridedLoop<2> loop(a.dy.sizes, {contiguous_strides(a.dy.sizes), a.dy.strides});
    loop.run([&](const auto& offsets, std::int64_t length, const auto& steps) {
      for (std::int64_t j = 0; j < length; ++j) {
        const std::int64_t i = offsets[0] + j * steps[0];
        dx[plan.kept.offset(i) + plan.reduced.offset(index[i])] =
            a.dy.as<T>()[offsets[1] + j * steps[1]];
      }
    });
  });
}

const Registration forward_registered{max_forward, Backend::cpu, forward};
const Registration backward_registered{max_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
