#include "autograd/ops/attention_weights.h"

#include "autograd/mask_watch.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/attention_pieces.h"
#include "autograd/ops/detail/check_mask.h"
#include "autograd/workspace.h"
#include "kernels/attention_weights.h"

namespace lookback {
namespace {

struct AttentionWeightsBackward {
  static constexpr std::string_view name = "attention_weights";
  detail::SavedPieces pieces;
  SavedTensor weights;
  CausalMask mask;

  std::vector<Tensor> operator()(const Tensor& given_dweights, Needed needed) const {
    const auto dweights = contiguous(given_dweights);
    const auto given = pieces.get();
    const detail::PieceGradients gradients(given, needed);
    run_with_workspace(kernels::attention_weights_backward, dweights.device(),
                       kernels::AttentionWeightsBackwardArgs{.dweights = dweights,
                                                             .weights = weights.get(),
                                                             .q = detail::views_of(given.q),
                                                             .k = detail::views_of(given.k),
                                                             .scales = given.scales,
                                                             .form = detail::form_of(given),
                                                             .dq = detail::targets_of(gradients.q),
                                                             .dk = detail::targets_of(gradients.k),
                                                             .dscales = gradients.scales,
                                                             .mask = mask.view()});
    return gradients.in_order();
  }
};

// [B, H, T, S] seen as [B, G, H / G, T, S].
Tensor group_weights(const Tensor& x, std::int64_t key_heads) {
  const auto group = x.size(1) / key_heads;
  const auto& s = x.strides();
  return x.alias({x.size(0), key_heads, group, x.size(2), x.size(3)},
                 {s[0], s[1] * group, s[1], s[2], s[3]});
}

// [B, T, H, V] seen as [B, G, H / G, T, V].
Tensor group_heads(const Tensor& x, std::int64_t key_heads) {
  const auto group = x.size(2) / key_heads;
  const auto& s = x.strides();
  return x.alias({x.size(0), key_heads, group, x.size(1), x.size(3)},
                 {s[0], s[2] * group, s[2], s[1], s[3]});
}

struct ApplyAttentionWeightsBackward {
  static constexpr std::string_view name = "apply_attention_weights";
  SavedTensor weights, v;
  CausalMask mask;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto dy = contiguous(given_dy);
    const auto kept = weights.get();
    const auto values = v.get();
    const auto key_heads = values.size(2);
    const auto dweights = needed[0] ? empty_like(kept) : Tensor{};
    const auto dv = needed[1] ? empty_like(values) : Tensor{};
    kernels::apply_attention_weights_backward(
        dy.backend(), {.dy = group_heads(dy, key_heads),
                       .weights = group_weights(kept, key_heads),
                       .v = group_heads(values, key_heads),
                       .dweights = needed[0] ? group_weights(dweights, key_heads) : Tensor{},
                       .dv = needed[1] ? group_heads(dv, key_heads) : Tensor{},
                       .mask = mask.view()});
    return {dweights, dv};
  }
};

}  // namespace

Tensor attention_weights(const AttentionPieces& given_pieces, const CausalMask& mask,
                         const std::source_location& where) {
  MaskWatch::tell("attention_weights", mask, where, given_pieces.q.size());
  const auto pieces = detail::checked_pieces("attention_weights", given_pieces, mask);
  const auto& q = pieces.q[0];
  const auto weights =
      empty({q.size(0), q.size(2), q.size(1), pieces.k[0].size(1)}, q.dtype(), q.device());
  kernels::attention_weights_forward(q.backend(), {.q = detail::views_of(pieces.q),
                                                   .k = detail::views_of(pieces.k),
                                                   .scales = pieces.scales,
                                                   .form = detail::form_of(pieces),
                                                   .weights = weights,
                                                   .mask = mask.view()});
  const auto inputs = detail::inputs_of(pieces, {});
  return record<AttentionWeightsBackward>(weights, inputs, [&] {
    return AttentionWeightsBackward{detail::SavedPieces(pieces), weights, mask};
  });
}

Tensor apply_attention_weights(const Tensor& given_weights, const Tensor& given_v,
                               const CausalMask& mask, const std::source_location& where) {
  const Check check{"apply_attention_weights"};
  MaskWatch::tell("apply_attention_weights", mask, where);
  check(given_weights.rank() == 4 && given_v.rank() == 4,
        "weights {} and v {} must have four dimensions", given_weights.shape(), given_v.shape());
  const auto weights = contiguous(given_weights);
  const auto v = detail::dense_rows(given_v);
  const auto heads = weights.size(1);
  const auto key_heads = v.size(2);
  check(weights.size(0) == v.size(0) && weights.size(3) == v.size(1),
        "weights {} must agree with v {} in sequences and keys", weights.shape(), v.shape());
  check(key_heads > 0 && heads % key_heads == 0,
        "weights {} has {} heads, no multiple of the {} of v {}", weights.shape(), heads, key_heads,
        v.shape());
  check(weights.dtype() == v.dtype() && is_floating(v.dtype()),
        "weights are {}, v is {}: both must have one floating dtype", weights.dtype(), v.dtype());
  detail::check_mask(
      check, mask,
      {.sequences = v.size(0), .heads = heads, .rows = weights.size(2), .keys = weights.size(3)});
  const auto y = empty({v.size(0), weights.size(2), heads, v.size(3)}, v.dtype(), v.device());
  kernels::apply_attention_weights_forward(v.backend(),
                                           {.weights = group_weights(weights, key_heads),
                                            .v = group_heads(v, key_heads),
                                            .y = group_heads(y, key_heads),
                                            .mask = mask.view()});
  return record<ApplyAttentionWeightsBackward>(y, {weights, v}, [&] {
    return ApplyAttentionWeightsBackward{weights, v, mask};
  });
}

}  // namespace lookback
