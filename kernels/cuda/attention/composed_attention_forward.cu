#include "kernels/cuda/attention/composed_sums.h"

namespace lookback::kernels {
namespace {

// weights[b, h, t, :] = numbers of the band, rounded.
template <class T>
struct WriteWeights {
  ComposedOperands<T> x;
  const Accumulator<T>* numbers;
  T* weights;
  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    const auto key = item % x.shape.keys, row = item / x.shape.keys;
    const auto i = row % x.band.rows, head = row / x.band.rows;
    weights[(head * x.shape.rows + x.band.first + i) * x.shape.keys + key] =
        static_cast<T>(numbers[x.row_at(head / x.heads(), head % x.heads(), i) + key]);
  }
};

template <class T>
void run(const ComposedAttentionForwardArgs& a) {
  const auto operands = composed_operands<T>(a);
  auto* scores = a.workspace.as<Accumulator<T>>();
  auto* weights = scores + operands.numbers();
  for_each_band(operands, [&](const ComposedOperands<T>& x) {
    make_weights(x, scores, weights);
    auto* composed = scores;  // S is not wanted any more
    for_each_item(x.pairs(), ComposePairs<T>{x, 1, weights, composed});
    if (a.weights.present()) {
      for_each_item(x.pairs() * x.shape.heads(), WriteWeights<T>{x, composed, a.weights.as<T>()});
    } else {
      sum_over_seen_keys<T>(
          {x, composed, x.v, nullptr, rows_of_heads<T>(a.y, operands.shape.group)});
    }
  });
}

void forward(const ComposedAttentionForwardArgs& a) {
  visit_floating(a.q.dtype, [&]<class T>(TypeTag<T>) { run<T>(a); });
}
std::size_t workspace_bytes(const ComposedAttentionForwardArgs& a) {
  return visit_floating(a.q.dtype, [&]<class T>(TypeTag<T>) {
    return 2 * static_cast<std::size_t>(composed_operands<T>(a).numbers()) * sizeof(Accumulator<T>);
  });
}

const Registration registered{composed_attention_forward, Backend::cuda, forward, workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
