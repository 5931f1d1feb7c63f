#include "kernels/attention_weights.h"
#include "kernels/cuda/attention/attention_explicit.h"

namespace lookback::kernels {
namespace {

// A [B, G, I, ., D] operand.
template <class T, class Operand>
HeadRows<T> rows_of_groups(const Operand& x) {
  return {.data = elements_of<T>(x),
          .sequence_step = x.stride(0),
          .row_step = x.stride(3),
          .key_head_step = x.stride(1),
          .head_in_group_step = x.stride(2),
          .width = x.size(4)};
}

template <class Arguments>
AttentionExtent extent_of(const Arguments& a) {
  return {.sequences = a.weights.size(0),
          .rows = a.weights.size(3),
          .keys = a.weights.size(4),
          .key_heads = a.weights.size(1),
          .group = a.weights.size(2),
          .visible = a.mask.rule()};
}

void forward(const ApplyAttentionWeightsForwardArgs& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    sum_over_keys<T>(extent_of(a), KeptWeight<T>{rows_of_groups<const T>(a.weights)},
                     rows_of_groups<const T>(a.v), {.y = rows_of_groups<T>(a.y)});
  });
}

// dweights[b, h, t, s] = dy[b, t, h, :] . v[b, s, g, :] where the mask shows, else 0. A warp makes
// 32 keys of a row: they share the row of dy.
template <class T>
struct WeightsGradient {
  static constexpr int threads = 128;
  using Sum = Accumulator<T>;
  AttentionExtent extent;
  HeadRows<const T> dy, v;
  HeadRows<T> dweights;

  LOOKBACK_DEVICE void operator()() const {
    const int lane = device::thread_index() % device::warp_threads;
    const auto item =
        (device::block_index() * threads + device::thread_index()) / device::warp_threads;
    const auto chunks = (extent.keys + device::warp_threads - 1) / device::warp_threads;
    const auto number = item / chunks;
    const auto key = item % chunks * device::warp_threads + lane;
    const auto heads = extent.key_heads * extent.group;
    if (number >= extent.sequences * heads * extent.rows || key >= extent.keys) return;
    const auto row = number % extent.rows, head = number / extent.rows % heads;
    const auto sequence = number / extent.rows / heads;
    const auto key_head = head / extent.group, head_in_group = head % extent.group;
    const bool seen = extent.keys_of(sequence, row).contains(key);
    const Sum dot = seen ? dot_of_lane(dy.at(sequence, row, key_head, head_in_group),
                                       v.at(sequence, key, key_head, 0), v.width)
                         : Sum{0};
    dweights.at(sequence, row, key_head, head_in_group)[key] = static_cast<T>(dot);
  }
};

void backward(const ApplyAttentionWeightsBackwardArgs& a) {
  const auto extent = extent_of(a);
  visit_floating(a.weights.dtype, [&]<class T>(TypeTag<T>) {
    const auto dy = rows_of_groups<const T>(a.dy);
    if (a.dweights.present()) {
      using Kernel = WeightsGradient<T>;
      const auto chunks = device::blocks_for(extent.keys, device::warp_threads);
      device::launch(
          {.blocks = device::blocks_for(extent.all_rows() * chunks,
                                        Kernel::threads / device::warp_threads)},
          Kernel{extent, dy, rows_of_groups<const T>(a.v), rows_of_groups<T>(a.dweights)});
    }
    if (a.dv.present()) {
      sum_over_queries<T>(extent, KeptWeight<T>{rows_of_groups<const T>(a.weights)}, dy,
                          {.y = rows_of_groups<T>(a.dv)});
    }
  });
}

const Registration forward_registered{apply_attention_weights_forward, Backend::cuda, forward};
const Registration backward_registered{apply_attention_weights_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
