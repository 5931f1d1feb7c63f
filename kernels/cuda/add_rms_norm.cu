#include "kernels/add_rms_norm.h"

#include "kernels/cuda/rms_rows.h"

namespace lookback::kernels {
namespace {

template <class T, class Y>
struct ForwardRow {
  using Sum = Accumulator<T>;
  const T* x;
  const T* a;
  const T* weight;
  T* h;
  Y* y;
  Sum* inverse_rms;
  std::int64_t x_step, a_step, h_step, y_step;
  Sum epsilon;

  // The norm is that of h as it is stored, rounded.
  template <class Group>
  LOOKBACK_DEVICE void operator()(std::int64_t row, const Group& group) const {
    T* sums = h + row * h_step;
    typename Group::template Row<T> held(sums);
    group.for_each_pack([&](int iteration, std::int64_t column) {
      auto values = read_pack<Group::width>(x + row * x_step + column);
      const auto others = read_pack<Group::width>(a + row * a_step + column);
      LOOKBACK_UNROLL
      for (int i = 0; i < Group::width; ++i) {
        values.element[i] = static_cast<T>(static_cast<Sum>(values.element[i]) +
                                           static_cast<Sum>(others.element[i]));
      }
      held.put(sums, iteration, column, values);
    });
    const Sum inverse = normalize<T>(group, held, weight, epsilon, y + row * y_step);
    if (group.lane == 0) inverse_rms[row] = inverse;
  }
};

void forward(const AddRmsNormForwardArgs& a) {
  visit_rounded(a.x.dtype, a.y.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    using Sum = Accumulator<T>;
    const ForwardRow<T, Y> body{a.x.as<T>(),
                                a.a.as<T>(),
                                a.weight.as<T>(),
                                a.h.as<T>(),
                                a.y.as<Y>(),
                                a.inverse_rms.as<Sum>(),
                                a.x.stride(0),
                                a.a.stride(0),
                                a.h.stride(0),
                                a.y.stride(0),
                                static_cast<Sum>(a.epsilon)};
    for_each_row_on_gpu<T>(a.x.size(0), a.x.size(1), {a.x, a.a, a.weight, a.h, a.y}, body);
  });
}

const Registration registered{add_rms_norm_forward, Backend::cuda, forward};

}  // namespace
}  // namespace lookback::kernels
