#include "kernels/log_softmax.h"

#include <cmath>

#include "kernels/cuda/rows.h"

namespace lookback::kernels {
namespace {

// -inf is a hidden entry and stays what it is, in a row of nothing else too.
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
    Sum total = 0;
    group.for_each_pack([&](int turn, std::int64_t column) {
      for (const auto value : in.pack(turn, column).element) {
        const auto entry = static_cast<Sum>(value);
        if (entry != -INFINITY) total += device::exp(entry - largest);
      }
    });
    const Sum log_total = device::log(group.reduce(total, device::Plus{}));
    group.for_each_pack([&](int turn, std::int64_t column) {
      auto values = in.pack(turn, column);
      for (auto& value : values.element) {
        const auto entry = static_cast<Sum>(value);
        if (entry != -INFINITY) value = static_cast<T>(entry - largest - log_total);
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
    const typename Group::template Row<T> logarithms(group, y + row * y_step);
    Sum total = 0;
    group.for_each_pack([&](int turn, std::int64_t column) {
      const auto slope = slopes.pack(turn, column), logarithm = logarithms.pack(turn, column);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        if (static_cast<Sum>(logarithm.element[i]) != -INFINITY) {
          total += static_cast<Sum>(slope.element[i]);
        }
      }
    });
    total = group.reduce(total, device::Plus{});
    group.for_each_pack([&](int turn, std::int64_t column) {
      const auto slope = slopes.pack(turn, column);
      auto values = logarithms.pack(turn, column);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const auto logarithm = static_cast<Sum>(values.element[i]);
        const Sum own =
            device::fused(-device::exp(logarithm), total, static_cast<Sum>(slope.element[i]));
        values.element[i] = static_cast<T>(logarithm == -INFINITY ? Sum(0) : own);
      }
      write_pack(dx + row * dx_step + column, values);
    });
  }
};

void forward(const LogSoftmaxForward& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    const ForwardRow<T> body{a.x.as<T>(), a.y.as<T>(), a.x.stride(0), a.y.stride(0)};
    for_each_row_on_gpu<T>(a.y.size(0), a.y.size(1), {a.x, a.y}, body);
  });
}

void backward(const LogSoftmaxBackward& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) {
    const BackwardRow<T> body{a.dy.as<T>(),   a.y.as<T>(),   a.dx.as<T>(),
                              a.dy.stride(0), a.y.stride(0), a.dx.stride(0)};
    for_each_row_on_gpu<T>(a.dx.size(0), a.dx.size(1), {a.dy, a.y, a.dx}, body);
  });
}

const Registration forward_registered{log_softmax_forward, Backend::cuda, forward};
const Registration backward_registered{log_softmax_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
