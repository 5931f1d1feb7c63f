#include "kernels/attention_weights.h"

#include "kernels/cuda/attention/attention_explicit.h"

namespace lookback::kernels {
namespace {

// [B, H, T, S], contiguous.
template <class T, class Operand>
HeadRows<T> rows_of_weights(const Operand& x, std::int64_t group) {
  return {.data = elements_of<T>(x),
          .sequence_step = x.stride(0),
          .row_step = x.stride(2),
          .key_head_step = x.stride(1) * group,
          .head_in_group_step = x.stride(1),
          .width = x.size(3)};
}

void forward(const AttentionWeightsForwardArgs& a) {
  const auto shape = shape_of(a.q, a.k, a.mask);
  visit_floating(a.weights.dtype, [&]<class T>(TypeTag<T>) {
    const PairScore<T> score{piece_table<T, explicit_pieces>(a.q, a.k, shape.group),
                             a.scales.as<Accumulator<T>>(), form_operands<Accumulator<T>>(a.form)};
    softmax_of_scores<T>(shape, score, nullptr, rows_of_weights<T>(a.weights, shape.group));
  });
}

void backward(const AttentionWeightsBackwardArgs& a) {
  const auto shape = shape_of(a.q, a.k, a.mask);
  visit_floating(a.weights.dtype, [&]<class T>(TypeTag<T>) {
    auto* dots = a.workspace.as<Accumulator<T>>();
    const auto weights = rows_of_weights<const T>(a.weights, shape.group);
    const auto dweights = rows_of_weights<const T>(a.dweights, shape.group);
    row_dots<DotColumns::seen>(shape, weights, dweights, dots);
    const auto pieces = piece_table<T, explicit_pieces>(a.q, a.k, shape.group);
    const PairScore<T> score{pieces, a.scales.as<Accumulator<T>>(),
                             form_operands<Accumulator<T>>(a.form)};
    explicit_piece_gradients<T>(a, shape, pieces,
                                KeptScoreGradient<T>{{weights}, {dweights}, score, dots},
                                dots + shape.all_rows());
  });
}
std::size_t workspace_bytes(const AttentionWeightsBackwardArgs& a) {
  return static_cast<std::size_t>(explicit_workspace(a.q)) * size_of(accumulator_of(a.q[0].dtype));
}

const Registration forward_registered{attention_weights_forward, Backend::cuda, forward};
const Registration backward_registered{attention_weights_backward, Backend::cuda, backward,
                                       workspace_bytes};

}  // namespace
}  // namespace lookback::kernels
