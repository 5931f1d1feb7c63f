// What softmax and log_softmax share: rows with hidden entries (-inf), forward and backward.
#pragma once

#include <cmath>

#include "kernels/cuda/device/rows.h"

namespace lookback::kernels {

// The operands of a row's forward, and of its backward.
template <class T>
struct SoftmaxForwardRow {
  using Sum = Accumulator<T>;
  const T* x;
  T* y;
  std::int64_t x_step, y_step;
};
template <class T>
struct SoftmaxBackwardRow {
  using Sum = Accumulator<T>;
  const T* dy;
  const T* y;
  T* dx;
  std::int64_t dy_step, y_step, dx_step;
};

// NaN where there is one.
template <class T, class Group>
LOOKBACK_DEVICE Accumulator<T> largest_of_row(const Group& group,
                                              const typename Group::template Row<T>& row) {
  Accumulator<T> largest = -INFINITY;
  group.for_each_pack([&](int turn, std::int64_t column) {
    for (const auto value : row.pack(turn, column).element) {
      largest = device::Larger{}(largest, static_cast<Accumulator<T>>(value));
    }
  });
  return group.reduce(largest, device::Larger{});
}

// Row<T>: the body, which derives from the operands above.
template <template <class> class Row, class Arguments>
void softmax_forward_rows(const Arguments& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    const Row<T> body{{a.x.template as<T>(), a.y.template as<T>(), a.x.stride(0), a.y.stride(0)}};
    for_each_row_on_gpu<T>(a.y.size(0), a.y.size(1), {a.x, a.y}, body);
  });
}
template <template <class> class Row, class Arguments>
void softmax_backward_rows(const Arguments& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    const Row<T> body{{a.dy.template as<T>(), a.y.template as<T>(), a.dx.template as<T>(),
                       a.dy.stride(0), a.y.stride(0), a.dx.stride(0)}};
    for_each_row_on_gpu<T>(a.dx.size(0), a.dx.size(1), {a.dy, a.y, a.dx}, body);
  });
}

}  // namespace lookback::kernels
