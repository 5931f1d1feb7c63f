#include "kernels/mask_scores.h"

#include "kernels/cuda/device/device.h"
#include "kernels/cuda/device/pack.h"

namespace lookback::kernels {
namespace {

// y = x where visible, else `hidden`: a thread per pack of keys. What is hidden is not read.
template <class T, int width>
struct SelectVisible {
  static constexpr int threads = 256;
  const T* x;
  T* y;
  VisibleKeys mask;
  std::int64_t packs, packs_per_row, keys, queries, rows_per_sequence;
  T hidden;

  LOOKBACK_DEVICE void operator()() const {
    const auto index = device::block_index() * threads + device::thread_index();
    if (index >= packs) return;
    const auto row = index / packs_per_row;
    const auto first = (index - row * packs_per_row) * width;
    const auto sequence = row / rows_per_sequence, query = row % queries;
    const auto head = row % rows_per_sequence / queries;
    const auto range = mask.keys_of(sequence, query, keys);
    const auto at = row * keys + first;
    Pack<T, width> values;
    if (mask.plain() && range.first <= first && first + width <= range.last) {
      values = read_pack<width>(x + at);
    } else {
      LOOKBACK_UNROLL
      for (int i = 0; i < width; ++i) {
        const bool shown = range.contains(first + i) &&
                           (mask.plain() || mask.visible(sequence, head, query, first + i, keys));
        values.element[i] = shown ? x[at + i] : hidden;
      }
    }
    write_pack(y + at, values);
  }
};

template <class T, int width>
void launch(const Operand& x, const Operand& y, const CausalMaskView& mask, T hidden) {
  const std::int64_t queries = y.size(-2), keys = y.size(-1);
  const std::int64_t rows = y.numel() / keys;
  const auto packs = rows * (keys / width);
  const SelectVisible<T, width> kernel{static_cast<const T*>(x.data),
                                       static_cast<T*>(y.data),
                                       mask.rule(),
                                       packs,
                                       keys / width,
                                       keys,
                                       queries,
                                       y.rank() > 2 ? rows / y.size(0) : rows,
                                       hidden};
  device::launch({.blocks = device::blocks_for(packs, kernel.threads)}, kernel);
}

template <class T>
void select(const Operand& x, const Operand& y, const CausalMaskView& mask, float hidden) {
  if (y.numel() == 0) return;
  constexpr int width = pack_width<T>;
  if (y.size(-1) % width == 0 && is_aligned<T>(x.data, width) && is_aligned<T>(y.data, width)) {
    launch<T, width>(x, y, mask, T(hidden));
  } else {
    launch<T, 1>(x, y, mask, T(hidden));
  }
}

void forward(const MaskScoresForwardArgs& a) {
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    select<T>(a.x, a.y, a.mask, static_cast<float>(a.hidden));
  });
}

void backward(const MaskScoresBackwardArgs& a) {
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) { select<T>(a.dy, a.dx, a.mask, 0); });
}

const Registration forward_registered{mask_scores_forward, Backend::cuda, forward};
const Registration backward_registered{mask_scores_backward, Backend::cuda, backward};

}  // namespace
}  // namespace lookback::kernels
