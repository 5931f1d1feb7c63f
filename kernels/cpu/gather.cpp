#include "kernels/gather.h"

#include <algorithm>

#include "kernels/cpu/dim_loops.h"
#include "kernels/cpu/indices.h"

namespace lookback::kernels {
namespace {

void forward(const GatherForwardArgs& a) {
  check_indices("gather", "index", a.index, a.x.size(a.dim));
  const DimBlocks from(a.x, a.dim), to(a.y, a.dim);
  const auto* index = a.index.as<std::int64_t>();
  visit_any(a.y.dtype, [&]<class T>(TypeTag<T>) {
    for_each_stretch(to.outer, to.inner, to.size, [&](auto o, auto begin, auto end) {
      for (std::int64_t j = 0; j < to.size; ++j) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto at = to.offset(o, j, i);
          a.y.as<T>()[at] = a.x.as<T>()[from.offset(o, index[at], i)];
        }
      }
    });
  });
}

void backward(const GatherBackwardArgs& a) {
  const DimBlocks from(a.dy, a.dim), to(a.dx, a.dim);
  const auto* index = a.index.as<std::int64_t>();
  visit_floating(a.dy.dtype, [&]<class T>(TypeTag<T>) {
    using Sum = Accumulator<T>;
    Sum* dx = a.dx.as<Sum>();
    for_each_stretch(to.outer, to.inner, from.size + to.size, [&](auto o, auto begin, auto end) {
      for (std::int64_t n = 0; n < to.size; ++n) {
        std::fill(dx + to.offset(o, n, begin), dx + to.offset(o, n, end), Sum(0));
      }
      for (std::int64_t j = 0; j < from.size; ++j) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto at = from.offset(o, j, i);
          dx[to.offset(o, index[at], i)] += static_cast<Sum>(a.dy.as<T>()[at]);
        }
      }
    });
  });
}

const Registration forward_registered{gather_forward, Backend::cpu, forward};
const Registration backward_registered{gather_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
