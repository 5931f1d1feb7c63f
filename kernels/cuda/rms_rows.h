// What rms_norm and add_rms_norm do with a row.
#pragma once

#include "kernels/cuda/device/rows.h"

namespace lookback::kernels {

// y[d] = x[d] * inverse * weight[d]; returns inverse = 1 / sqrt(mean_d x[d]^2 + epsilon), to every
// thread of the group.
template <class T, class Group, class Y>
LOOKBACK_DEVICE Accumulator<T> normalize(const Group& group,
                                         const typename Group::template Row<T>& x, const T* weight,
                                         Accumulator<T> epsilon, Y* y) {
  using Sum = Accumulator<T>;
  Sum squares = 0;
  group.for_each_pack([&](int iteration, std::int64_t column) {
    for (const auto element : x.pack(iteration, column).element) {
      const auto value = static_cast<Sum>(element);
      squares = device::fma(value, value, squares);
    }
  });
  squares = group.reduce(squares, device::Plus{});
  const Sum inverse = 1 / device::sqrt(squares / static_cast<Sum>(group.columns) + epsilon);
  group.for_each_pack([&](int iteration, std::int64_t column) {
    const auto values = x.pack(iteration, column);
    const auto scales = read_pack<Group::width>(weight + column);
    Pack<Y, Group::width> result;
    LOOKBACK_UNROLL
    for (int i = 0; i < Group::width; ++i) {
      const Sum normed = static_cast<Sum>(values.element[i]) * inverse;
      result.element[i] = static_cast<Y>(normed * static_cast<Sum>(scales.element[i]));
    }
    write_pack(y + column, result);
  });
  return inverse;
}

}  // namespace lookback::kernels
