#include "kernels/rope.h"

#include "kernels/cuda/device/device.h"
#include "kernels/cuda/device/pack.h"

namespace lookback::kernels {
namespace {

// A thread per pack of a head's left half, and the pack of its right half that turns with it.
// direction: 1, or -1 to turn back.
template <class T, class Y, int width>
struct Rotate {
  static constexpr int threads = 256;
  using Sum = Accumulator<T>;
  const T* x;
  const Sum* cos;
  const Sum* sin;
  Y* y;
  std::int64_t packs, packs_per_head, heads, positions, position_offset;
  std::int64_t x_steps[3], y_steps[3];  // of sequences, positions, heads
  Sum direction;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= packs) return;
    const auto half = packs_per_head * width;
    const auto head_row = index / packs_per_head;
    const auto i = (index - head_row * packs_per_head) * width;
    const auto row = head_row / heads, head = head_row - row * heads;
    const auto sequence = row / positions, position = row - sequence * positions;
    const T* from = x + sequence * x_steps[0] + position * x_steps[1] + head * x_steps[2] + i;
    Y* to = y + sequence * y_steps[0] + position * y_steps[1] + head * y_steps[2] + i;
    const auto angle = (position_offset + position) * half + i;
    const auto left = read_pack<width>(from), right = read_pack<width>(from + half);
    Pack<Y, width> new_left, new_right;
    const auto cosines = read_pack<width>(cos + angle), sines = read_pack<width>(sin + angle);
    LOOKBACK_UNROLL
    for (int j = 0; j < width; ++j) {
      const auto l = static_cast<Sum>(left.element[j]), r = static_cast<Sum>(right.element[j]);
      const Sum turn = direction * sines.element[j];
      new_left.element[j] = static_cast<Y>(l * cosines.element[j] - r * turn);
      new_right.element[j] = static_cast<Y>(r * cosines.element[j] + l * turn);
    }
    write_pack(to, new_left);
    write_pack(to + half, new_right);
  }
};

bool steps_fit(const Operand& x, int width) {
  for (int dim = 0; dim < 3; ++dim) {
    if (x.stride(dim) % width != 0) return false;
  }
  return true;
}

template <class T, class Y>
void rotate(const Operand& x, const In& cos, const In& sin, const Operand& y,
            std::int64_t position_offset, int direction) {
  const std::int64_t sequences = x.size(0), positions = x.size(1), heads = x.size(2);
  const std::int64_t half = x.size(3) / 2;
  const auto run = [&]<int width>(std::integral_constant<int, width>) {
    using Sum = Accumulator<T>;
    const auto packs_per_head = half / width;
    const Rotate<T, Y, width> kernel{static_cast<const T*>(x.data),
                                     cos.as<Sum>(),
                                     sin.as<Sum>(),
                                     static_cast<Y*>(y.data),
                                     sequences * positions * heads * packs_per_head,
                                     packs_per_head,
                                     heads,
                                     positions,
                                     position_offset,
                                     {x.stride(0), x.stride(1), x.stride(2)},
                                     {y.stride(0), y.stride(1), y.stride(2)},
                                     static_cast<Sum>(direction)};
    device::launch({.blocks = device::blocks_for(kernel.packs, kernel.threads)}, kernel);
  };
  constexpr int width = pack_width<T>;
  using Sum = Accumulator<T>;
  const bool packs = half % width == 0 && steps_fit(x, width) && steps_fit(y, width) &&
                     is_aligned<T>(x.data, width) && is_aligned<Y>(y.data, width) &&
                     is_aligned<Sum>(cos.data, width) && is_aligned<Sum>(sin.data, width);
  if (packs) {
    run(std::integral_constant<int, width>{});
  } else {
    run(std::integral_constant<int, 1>{});
  }
}

void forward(const RopeForwardArgs& a) {
  visit_rounded(a.x.dtype, a.y.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    rotate<T, Y>(a.x, a.cos, a.sin, a.y, a.position_offset, 1);
  });
}

void backward(const RopeBackwardArgs& a) {
  visit_rounded(a.dy.dtype, a.dx.dtype, [&]<class T, class Y>(TypeTag<T>, TypeTag<Y>) {
    rotate<T, Y>(a.dy, a.cos, a.sin, a.dx, a.position_offset, -1);
  });
}

const Registration forward_registered{rope_forward, Backend::cuda, forward};
const Registration backward_registered{rope_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
