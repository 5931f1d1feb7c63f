#include "kernels/softmax.h"

#include "kernels/cuda/softmax_rows.h"

namespace lookback::kernels {
namespace {

template <class T>
struct ForwardRow : SoftmaxForwardRow<T> {
  using Sum = Accumulator<T>;

  template <class Group>
  LOOKBACK_DEVICE void operator()(std::int64_t row, const Group& group) const {
    const typename Group::template Row<T> in(group, this->x + row * this->x_step);
    const Sum largest = largest_of_row<T>(group, in);
    // Hidden entries are 0 also in a row that holds a NaN, and in one that holds nothing else.
    const auto exponential = [&](T value) {
      const auto entry = static_cast<Sum>(value);
      return entry == -INFINITY ? Sum(0) : device::exp(entry - largest);
    };
    Sum total = 0;
    group.for_each_pack([&](int iteration, std::int64_t column) {
      for (const auto value : in.pack(iteration, column).element) total += exponential(value);
    });
    const Sum share = Sum(1) / group.reduce(total, device::Plus{});
    group.for_each_pack([&](int iteration, std::int64_t column) {
      auto values = in.pack(iteration, column);
      for (auto& value : values.element) {
        const Sum e = exponential(value);
        value = static_cast<T>(e == 0 ? Sum(0) : e * share);
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
    const typename Group::template Row<T> weights(group, this->y + row * this->y_step);
    Sum dot = 0;
    group.for_each_pack([&](int iteration, std::int64_t column) {
      const auto slope = slopes.pack(iteration, column), weight = weights.pack(iteration, column);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const auto w = static_cast<Sum>(weight.element[i]);
        if (w != 0) dot += w * static_cast<Sum>(slope.element[i]);
      }
    });
    dot = group.reduce(dot, device::Plus{});
    group.for_each_pack([&](int iteration, std::int64_t column) {
      const auto slope = slopes.pack(iteration, column);
      auto values = weights.pack(iteration, column);
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const auto w = static_cast<Sum>(values.element[i]);
        const Sum own = w * (static_cast<Sum>(slope.element[i]) - dot);
        values.element[i] = static_cast<T>(w == 0 ? Sum(0) : own);
      }
      write_pack(this->dx + row * this->dx_step + column, values);
    });
  }
};

const Registration forward_registered{softmax_forward, Backend::cuda,
                                      softmax_forward_rows<ForwardRow, SoftmaxForwardArgs>};
const Registration backward_registered{softmax_backward, Backend::cuda,
                                       softmax_backward_rows<BackwardRow, SoftmaxBackwardArgs>};

}  // namespace
}  // namespace lookback::kernels
