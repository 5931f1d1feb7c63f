#include "kernels/attention_weights.h"
#include "kernels/cuda/attention/attention_explicit.h"

namespace lookback::kernels {
namespace {

void forward(const ApplyAttentionWeightsForwardArgs& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    sum_over_keys<T>(shape_of_groups(a.weights, a.mask),
                     KeptWeight<T>{rows_of_groups<const T>(a.weights)},
                     rows_of_groups<const T>(a.v), {.y = rows_of_groups<T>(a.y)});
  });
}

// dweights[b, h, t, s] = dy[b, t, h, :] . v[b, s, g, :] where the mask shows, else 0. A warp makes
// 32 keys of a row: they share the row of dy.
template <class T>
struct WeightsGradient {
  static constexpr int threads = 128;
  using Sum = Accumulator<T>;
  AttentionShape shape;
  HeadRows<const T> dy, v;
  HeadRows<T> dweights;

  LOOKBACK_DEVICE void operator()() const {
    const int lane = device::thread_index() % device::warp_threads;
    const auto item =
        (device::block_index() * threads + device::thread_index()) / device::warp_threads;
    const auto chunks = (shape.keys + device::warp_threads - 1) / device::warp_threads;
    const auto number = item / chunks;
    const auto key = item % chunks * device::warp_threads + lane;
    const auto heads = shape.key_heads * shape.group;
    if (number >= shape.sequences * heads * shape.rows || key >= shape.keys) return;
    const auto row = number % shape.rows, head = number / shape.rows % heads;
    const auto sequence = number / shape.rows / heads;
    const auto key_head = head / shape.group, head_in_group = head % shape.group;
    const bool seen = shape.sees(sequence, head, row, key);
    const Sum dot = seen ? dot_of_lane(dy.at(sequence, row, key_head, head_in_group),
                                       v.at(sequence, key, key_head, 0), v.width)
                         : Sum{0};
    dweights.at(sequence, row, key_head, head_in_group)[key] = static_cast<T>(dot);
  }
};

void backward(const ApplyAttentionWeightsBackwardArgs& a) {
  const auto shape = shape_of_groups(a.weights, a.mask);
  visit_floating(a.weights.dtype, [&]<class T>(TypeTag<T>) {
    const auto dy = rows_of_groups<const T>(a.dy);
    if (a.dweights.present()) {
      using Kernel = WeightsGradient<T>;
      const auto chunks = device::blocks_for(shape.keys, device::warp_threads);
      device::launch(
          {.blocks = device::blocks_for(shape.all_rows() * chunks,
                                        Kernel::threads / device::warp_threads)},
          Kernel{shape, dy, rows_of_groups<const T>(a.v), rows_of_groups<T>(a.dweights)});
    }
    if (a.dv.present()) {
      sum_over_queries<T>(shape, KeptWeight<T>{rows_of_groups<const T>(a.weights)}, dy,
                          {.y = rows_of_groups<T>(a.dv)});
    }
  });
}

const Registration forward_registered{apply_attention_weights_forward, Backend::cuda, forward};
const Registration backward_registered{apply_attention_weights_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
