#include "kernels/softmax.h"

#include <cmath>

#include "kernels/cuda/rows.h"

namespace lookback::kernels {
namespace {

template <class T>
struct ForwardRow {
  using Sum = Accumulator<T>;
  const T* x;
  T* y;
  std::int64_t x_step, y_step;

  template <class Group>
  LOOKBACK_DEVICE void operator()(std::int64_t row, const Group& group) const {
    const typename Group::template Row<T> in(group, x + row * x_step);
    Sum largest = -INFINITY;
    group.for_each_pack([&](int turn, std::int64_t column) {
      for (const auto value : in.pack(turn, column).element) {
        largest = device::Larger{}(largest, static_cast<Sum>(value));
      }
    });
    largest = group.reduce(largest, device::Larger{});
    // Hidden entries are 0 also in a row that holds a NaN, and in one that holds nothing else.
    const auto exponential = [&](T value) {
      const auto entry = static_cast<Sum>(value);
      return entry == -INFINITY ? Sum(0) : device::exp(entry - largest);
    };
    Sum total = 0;
    group.for_each_pack([&](int turn, std::int64_t column) {
      for (const auto value : in.pack(turn, column).element) total += exponential(value);
    });
    const Sum share = Sum(1) / group.reduce(total, device::Plus{});
    group.for_each_pack([&](int turn, std::int64_t column) {
      auto values = in.pack(turn, column);
      for (auto& value : values.element) {
        const Sum e = exponential(value);
        value = static_cast<T>(e == 0 ? Sum(0) : e * share);
      }
      write_pack(y + row * y_step + column, values);
    });
  }
};

template <class T>
struct BackwardRow {
  using Sum = Accumulator<T>;
  const T* dy;
  const T* y;
  T* dx;
  std::int64_t dy_step, y_step, dx_step;

  template <class Group>
  LOOKBACK_DEVICE void operator()(std::int64_t row, const Group& group) const {
    constexpr int width = Group::width;
    const typename Group::template Row<T> slopes(group, dy + row * dy_step);
    const typename Group::template Row<T> weights(group, y + row * y_step);
    Sum dot = 0;
    group.for_each_pack([&](int turn, std::int64_t column) {
      const auto slope = slopes.pack(turn, column), weight = weights.pack(turn, column);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const auto w = static_cast<Sum>(weight.element[i]);
        if (w != 0) dot += w * static_cast<Sum>(slope.element[i]);
      }
    });
    dot = group.reduce(dot, device::Plus{});
    group.for_each_pack([&](int turn, std::int64_t column) {
      const auto slope = slopes.pack(turn, column);
      auto values = weights.pack(turn, column);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const auto w = static_cast<Sum>(values.element[i]);
        const Sum own = w * (static_cast<Sum>(slope.element[i]) - dot);
        values.element[i] = static_cast<T>(w == 0 ? Sum(0) : own);
      }
      write_pack(dx + row * dx_step + column, values);
    });
  }
};

void forward(const SoftmaxForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    const ForwardRow<T> body{a.x.as<T>(), a.y.as<T>(), a.x.stride(0), a.y.stride(0)};
    for_each_row_on_gpu<T>(a.y.size(0), a.y.size(1), {a.x, a.y}, body);
  });
}

void backward(const SoftmaxBackward& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    const BackwardRow<T> body{a.dy.as<T>(),   a.y.as<T>(),   a.dx.as<T>(),
                              a.dy.stride(0), a.y.stride(0), a.dx.stride(0)};
    for_each_row_on_gpu<T>(a.dx.size(0), a.dx.size(1), {a.dy, a.y, a.dx}, body);
  });
}

const Registration forward_registered{softmax_forward, Backend::cuda, forward};
const Registration backward_registered{softmax_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
