#include "kernels/mask_scores.h"

#include <algorithm>

#include "kernels/cpu/shown_keys.h"

#include "runtime/parallel.h"

namespace lookback::kernels {
namespace {

// y = x where visible, else `hidden`.
template <class T>
void select(const In& x, const Out& y, const CausalMaskView& mask, T hidden) {
  const std::int64_t queries = y.size(-2), keys = y.size(-1);
  const std::int64_t rows = y.numel() / std::max<std::int64_t>(1, keys);
  const std::int64_t rows_per_sequence = y.rank() > 2 ? rows / y.size(0) : rows;
  const std::int64_t chunk = std::max<std::int64_t>(1, (1 << 15) / std::max<std::int64_t>(1, keys));
  parallel_for(rows, chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const auto sequence = r / rows_per_sequence, head = r % rows_per_sequence / queries;
      const auto range = mask.keys_of(sequence, r % queries, keys);
      const ShownKeys shown(mask, sequence, head, r % queries, 1, keys);
      const T* from = x.as<T>() + r * keys;
      T* to = y.as<T>() + r * keys;
      std::fill(to, to + range.first, hidden);
      std::copy(from + range.first, from + range.last, to + range.first);
      std::fill(to + range.last, to + keys, hidden);
      for (auto s = range.first; !shown.plain() && s < range.last; ++s) {
        if (!shown.shows(0, s)) to[s] = hidden;
      }
    }
  });
}

void forward(const MaskScoresForwardArgs& a) {
  if (a.y.numel() == 0) return;
  visit_floating(a.y.dtype, [&]<class T>(TypeTag<T>) {
    select(a.x, a.y, a.mask, T(static_cast<float>(a.hidden)));
  });
}

void backward(const MaskScoresBackwardArgs& a) {
  if (a.dx.numel() == 0) return;
  visit_floating(a.dx.dtype, [&]<class T>(TypeTag<T>) { select(a.dy, a.dx, a.mask, T(0.0F)); });
}

const Registration forward_registered{mask_scores_forward, Backend::cpu, forward};
const Registration backward_registered{mask_scores_backward, Backend::cpu, backward};

}  // namespace
}  // namespace lookback::kernels
