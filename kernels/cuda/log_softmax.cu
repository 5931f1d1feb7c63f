#include "kernels/log_softmax.h"

#include "kernels/cuda/softmax_rows.h"

namespace lookback::kernels {
namespace {

// -inf is a hidden entry and stays what it is, in a row of nothing else too.
template <class T>
struct ForwardRow : SoftmaxForwardRow<T> {
  using Sum = Accumulator<T>;

  template <class Group>
  LOOKBACK_DEVICE void operator()(std::int64_t row, const Group& group) const {
    const typename Group::template Row<T> in(group, this->x + row * this->x_step);
    const Sum largest = largest_of_row<T>(group, in);
    Sum total = 0;
    group.for_each_pack([&](int iteration, std::int64_t column) {
      for (const auto value : in.pack(iteration, column).element) {
        const auto entry = static_cast<Sum>(value);
        if (entry != -INFINITY) total += device::exp(entry - largest);
      }
    });
    const Sum log_total = device::log(group.reduce(total, device::Plus{}));
    group.for_each_pack([&](int iteration, std::int64_t column) {
      auto values = in.pack(iteration, column);
      for (auto& value : values.element) {
        const auto entry = static_cast<Sum>(value);
        if (entry != -INFINITY) value = static_cast<T>(entry - largest - log_total);
      }
      write_pack(this->y + row * this->y_step + column, values);
    });
  }
};

template <class T>
struct BackwardRow : SoftmaxBackwardRow<T> {
  using Sum = Accumulator<T>;

  template <class Group>
  LOOKBACK_DEVICE void operator()(std::int64_t row, const Group& group) const {
    constexpr int width = Group::width;
    const typename Group::template Row<T> slopes(group, this->dy + row * this->dy_step);
    const typename Group::template Row<T> logarithms(group, this->y + row * this->y_step);
    Sum total = 0;
    group.for_each_pack([&](int iteration, std::int64_t column) {
      const auto slope = slopes.pack(iteration, column),
                 logarithm = logarithms.pack(iteration, column);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        if (static_cast<Sum>(logarithm.element[i]) != -INFINITY) {
          total += static_cast<Sum>(slope.element[i]);
        }
      }
    });
    total = group.reduce(total, device::Plus{});
    group.for_each_pack([&](int iteration, std::int64_t column) {
      const auto slope = slopes.pack(iteration, column);
      auto values = logarithms.pack(iteration, column);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const auto logarithm = static_cast<Sum>(values.element[i]);
        const Sum own =
            device::fma(-device::exp(logarithm), total, static_cast<Sum>(slope.element[i]));
        values.element[i] = static_cast<T>(logarithm == -INFINITY ? Sum(0) : own);
      }
      write_pack(this->dx + row * this->dx_step + column, values);
    });
  }
};

const Registration forward_registered{log_softmax_forward, Backend::cuda,
                                      softmax_forward_rows<ForwardRow, LogSoftmaxForwardArgs>};
const Registration backward_registered{log_softmax_backward, Backend::cuda,
                                       softmax_backward_rows<BackwardRow, LogSoftmaxBackwardArgs>};

}  // namespace
}  // namespace lookback::kernels
