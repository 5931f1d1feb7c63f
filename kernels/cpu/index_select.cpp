#include "kernels/index_select.h"

#include <algorithm>

#include "kernels/cpu/dim_loops.h"
#include "kernels/cpu/indices.h"

namespace lookback::kernels {
namespace {

void forward(const IndexSelectForwardArgs& a) {
  check_indices("index_select", "index", a.index, a.x.size(a.dim));
  const DimBlocks from(a.x, a.dim), to(a.y, a.dim);
  const auto* index = a.index.as<std::int64_t>();
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) {
    for_each_stretch(to.outer, to.inner, to.size, [&](auto o, auto begin, auto end) {
      for (std::int64_t j = 0; j < to.size; ++j) {
        const T* x = a.x.as<T>() + from.offset(o, index[j], 0);
        std::copy(x + begin, x + end, a.y.as<T>() + to.offset(o, j, begin));
      }
    });
  });
}

void backward(const IndexSelectBackwardArgs& a) {
  const DimBlocks from(a.dy, a.dim), to(a.dx, a.dim);
  const auto* index = a.index.as<std::int64_t>();
  visit_floating(a.dy.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    for_each_stretch(to.outer, to.inner, from.size + to.size, [&](auto o, auto begin, auto end) {
      for (std::int64_t n = 0; n < to.size; ++n) {
        Sum* dx = a.dx.as<Sum>() + to.offset(o, n, 0);
        std::fill(dx + begin, dx + end, Sum(0));
      }
      for (std::int64_t j = 0; j < from.size; ++j) {
        const T* dy = a.dy.as<T>() + from.offset(o, j, 0);
        Sum* dx = a.dx.as<Sum>() + to.offset(o, index[j], 0);
        for (std::int64_t i = begin; i < end; ++i) dx[i] += static_cast<Sum>(dy[i]);
      }
    });
  });
}

const Registration forward_registered{index_select_forward, Backend::cpu, forward};
const Registration backward_registered{index_select_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
