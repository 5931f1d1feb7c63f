#include "kernels/rope.h"

#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// The two halves of one head at one position. direction: 1, or -1 to turn back. Plain loops: the
// whole is bound by memory even at the width of SSE2.
template <class T, class Y, class Sum>
void rotate(const T* x, const Sum* cos, const Sum* sin, Sum direction, std::int64_t half, Y* y) {
  for (std::int64_t i = 0; i < half; ++i) {
    const auto left = static_cast<Sum>(x[i]);
    const auto right = static_cast<Sum>(x[i + half]);
    const auto turn = direction * sin[i];
    y[i] = static_cast<Y>(left * cos[i] - right * turn);
    y[i + half] = static_cast<Y>(right * cos[i] + left * turn);
  }
}

template <class T, class Y>
void rotate_all(const In& x, const In& cos, const In& sin, const Out& y,
                std::int64_t position_offset, Accumulator<T> direction) {
  using Sum = Accumulator<T>;
  const std::int64_t positions = x.size(1);
  const std::int64_t heads = x.size(2);
  const std::int64_t half = x.size(3) / 2;
  constexpr std::int64_t elements_per_chunk = 1 << 15;
  const auto chunk = elements_per_chunk / std::max<std::int64_t>(1, heads * half) + 1;
  parallel_for(x.size(0) * positions, chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto b = row / positions;
      const auto t = row % positions;
      const auto* cosines = cos.as<Sum>() + (position_offset + t) * half;
      const auto* sines = sin.as<Sum>() + (position_offset + t) * half;
      const T* from = x.as<T>() + b * x.stride(0) + t * x.stride(1);
      Y* to = y.as<Y>() + b * y.stride(0) + t * y.stride(1);
      for (std::int64_t h = 0; h < heads; ++h) {
        rotate(from + h * x.stride(2), cosines, sines, direction, half, to + h * y.stride(2));
      }
    }
  });
}

void forward(const RopeForwardArgs& a) {
  visit_rounded(a.x.dtype, a.y.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    rotate_all<T, Y>(a.x, a.cos, a.sin, a.y, a.position_offset, 1);
  });
}

void backward(const RopeBackwardArgs& a) {
  visit_rounded(a.dy.dtype, a.dx.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    rotate_all<T, Y>(a.dy, a.cos, a.sin, a.dx, a.position_offset, -1);
  });
}

const Registration forward_registered{rope_forward, Backend::cpu, forward};
const Registration backward_registered{rope_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
