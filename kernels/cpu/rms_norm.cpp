#include "kernels/rms_norm.h"

#include <cmath>

#include "kernels/cpu/lane_sum.h"
#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

constexpr std::int64_t rows_per_chunk = rms_norm_rows_per_partial;

template <class T>
void forward_rows(const RmsNormForward& a, std::int64_t begin, std::int64_t end) {
  using Sum = Accumulator<T>;
  const std::int64_t columns = a.x.size(1);
  const T* weight = a.weight.as<T>();
  for (std::int64_t r = begin; r < end; ++r) {
    const T* x = a.x.as<T>() + r * columns;
    T* y = a.y.as<T>() + r * columns;
    const auto at = [&](std::int64_t d) { return static_cast<Sum>(x[d]); };
    const auto squares = lane_sum<Sum>(columns, [&](std::int64_t d) { return at(d) * at(d); });
    const Sum inverse = Sum(1) / std::sqrt(squares / static_cast<Sum>(columns) + static_cast<Sum>(a.epsilon));
    a.inverse_rms.as<Sum>()[r] = inverse;
    for (std::int64_t d = 0; d < columns; ++d) {
      y[d] = static_cast<T>(at(d) * inverse * static_cast<Sum>(weight[d]));
    }
  }
}

template <class T>
void backward_rows(const RmsNormBackward& a, std::int64_t begin, std::int64_t end) {
  using Sum = Accumulator<T>;
  const std::int64_t columns = a.x.size(1);
  const T* weight = a.weight.as<T>();
  Sum* partial = nullptr;
  if (a.dweight.present()) {
    partial = a.row_partials.as<Sum>() + begin / rows_per_chunk * columns;
    std::fill(partial, partial + columns, Sum(0));
  }
  for (std::int64_t r = begin; r < end; ++r) {
    const T* x = a.x.as<T>() + r * columns;
    const T* dy = a.dy.as<T>() + r * columns;
    T* dx = a.dx.as<T>() + r * columns;
    const Sum inverse = a.inverse_rms.as<Sum>()[r];
    const auto weighted = [&](std::int64_t d) { return static_cast<Sum>(weight[d]) * static_cast<Sum>(dy[d]); };
    const auto dot = lane_sum<Sum>(columns, [&](std::int64_t d) { return weighted(d) * static_cast<Sum>(x[d]); });
    const Sum pull = dot / static_cast<Sum>(columns) * inverse * inverse;
    if (partial != nullptr) {
      for (std::int64_t d = 0; d < columns; ++d) {
        partial[d] += static_cast<Sum>(dy[d]) * static_cast<Sum>(x[d]) * inverse;
      }
    }
    for (std::int64_t d = 0; d < columns; ++d) {
      dx[d] = static_cast<T>(inverse * (weighted(d) - static_cast<Sum>(x[d]) * pull));
    }
  }
}

template <class T>
void add_up_partials(const RmsNormBackward& a) {
  using Sum = Accumulator<T>;
  const std::int64_t columns = a.x.size(1);
  const std::int64_t partials = (a.x.size(0) + rows_per_chunk - 1) / rows_per_chunk;
  for (std::int64_t d = 0; d < columns; ++d) {
    Sum total{};
    for (std::int64_t p = 0; p < partials; ++p) total += a.row_partials.as<Sum>()[p * columns + d];
    a.dweight.as<T>()[d] = static_cast<T>(total);
  }
}

void forward(const RmsNormForward& a) {
  visit_floating(a.x.dtype, [&]<class T>(TypeTag<T>) {
    parallel_for(a.x.size(0), rows_per_chunk,
                 [&](std::int64_t begin, std::int64_t end) { forward_rows<T>(a, begin, end); });
  });
}

void backward(const RmsNormBackward& a) {
  visit_floating(a.x.dtype, [&]<class T>(TypeTag<T>) {
    parallel_for(a.x.size(0), rows_per_chunk,
                 [&](std::int64_t begin, std::int64_t end) { backward_rows<T>(a, begin, end); });
    if (a.dweight.present()) add_up_partials<T>(a);
  });
}

const Registration forward_registered{rms_norm_forward, Backend::cpu, forward};
const Registration backward_registered{rms_norm_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
