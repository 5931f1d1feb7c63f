#include "autograd/ops/composed_attention.h"

#include <array>

#include "autograd/mask_watch.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/attention_pieces.h"
#include "autograd/workspace.h"
#include "kernels/composed_attention.h"

namespace lookback {
namespace {

void check_mixing(const Check& check, std::string_view name, const Tensor& x, const Tensor& of,
                  std::int64_t heads, DType dtype) {
  check(x.rank() == 5 && x.size(0) == of.size(0) && x.size(1) == of.size(1) && x.size(2) == 2 &&
            x.size(3) % 2 == 1 && x.size(4) == heads && x.dtype() == dtype,
        "mixing.{} {} of {} must be ({}, {}, 2, 2 rank + 1, {}) of {}", name, x.shape(), x.dtype(),
        of.size(0), of.size(1), heads, dtype);
}

void check_options(const Check& check, const ComposedScores& scores, std::int64_t heads,
                   DType dtype) {
  const auto& fixed = scores.mixing.fixed;
  const Shape square{2, heads, heads};
  check(!fixed.defined() || (fixed.shape() == square && fixed.dtype() == dtype),
        "mixing.fixed must be {} of {}", square, dtype);
  const Shape one_each{heads};
  check(!scores.slopes.defined() ||
            (scores.slopes.shape() == one_each && scores.slopes.dtype() == dtype),
        "slopes must be {} of {}: one number for each head", one_each, dtype);
  check(scores.soft_cap >= 0, "soft_cap {} must not be negative", scores.soft_cap);
}

// Tensors whose last three dimensions are dense: themselves, or copies.
Tensor dense_mixing(const Tensor& x) {
  const auto& strides = x.strides();
  const bool dense =
      strides[4] == 1 && strides[3] == x.size(4) && strides[2] == x.size(3) * x.size(4);
  return dense ? x : contiguous(x);
}

// The scores as the kernels take them.
ComposedScores checked(std::string_view operation, const ComposedScores& scores,
                       const CausalMask& mask) {
  const auto accumulator = accumulator_of(scores.q.dtype());
  const auto pieces = detail::checked_pieces(
      operation,
      {.q = {scores.q}, .k = {scores.k}, .scales = zeros({1}, accumulator, scores.q.device())},
      mask);
  const Check check{operation};
  const auto heads = scores.q.size(2);
  const auto& mixing = scores.mixing;
  check_mixing(check, "query", mixing.query, scores.q, heads, accumulator);
  check_mixing(check, "key", mixing.key, scores.k, heads, accumulator);
  check(mixing.query.size(3) == mixing.key.size(3),
        "mixing.query {} and mixing.key {} must have one rank", mixing.query.shape(),
        mixing.key.shape());
  check_options(check, scores, heads, accumulator);
  if (scores.slopes.defined()) no_gradient(operation, {scores.slopes});
  auto result = scores;
  result.q = pieces.q[0];
  result.k = pieces.k[0];
  result.mixing.query = dense_mixing(mixing.query);
  result.mixing.key = dense_mixing(mixing.key);
  if (mixing.fixed.defined()) result.mixing.fixed = contiguous(mixing.fixed);
  if (scores.slopes.defined()) result.slopes = contiguous(scores.slopes);
  return result;
}

// The inputs of a node, in this order: these, and v where there is one.
std::vector<Tensor> inputs_of(const ComposedScores& scores) {
  return {scores.q, scores.k, scores.mixing.query, scores.mixing.key, scores.mixing.fixed};
}

struct SavedScores {
  SavedTensor q, k, query_mixing, key_mixing, fixed_mixing, slopes;
  double scale, soft_cap;
  CausalMask mask;

  SavedScores(const ComposedScores& scores, CausalMask given_mask)
      : q(scores.q),
        k(scores.k),
        query_mixing(scores.mixing.query),
        key_mixing(scores.mixing.key),
        fixed_mixing(scores.mixing.fixed),
        slopes(scores.slopes),
        scale(scores.scale),
        soft_cap(scores.soft_cap),
        mask(std::move(given_mask)) {}

  // The gradients in the order of inputs_of(), and that of v where it is defined.
  std::vector<Tensor> gradients(const Tensor& dy, const Tensor& dweights, const Tensor& v) const {
    const auto queries = q.get();
    const auto keys = k.get();
    const auto mixing = query_mixing.get();
    const auto of_keys = key_mixing.get();
    const auto fixed = fixed_mixing.get();
    const auto like = [](const Tensor& x) {
      return x.defined() ? empty(x.shape(), x.dtype(), x.device()) : Tensor{};
    };
    std::vector<Tensor> all{like(queries), like(keys), like(mixing), like(of_keys), like(fixed)};
    const auto dv = like(v);
    run_with_workspace(kernels::composed_attention_backward, queries.device(),
                       kernels::ComposedAttentionBackwardArgs{.dy = dy,
                                                              .dweights = dweights,
                                                              .q = queries,
                                                              .k = keys,
                                                              .v = v,
                                                              .query_mixing = mixing,
                                                              .key_mixing = of_keys,
                                                              .fixed_mixing = fixed,
                                                              .slopes = slopes.get(),
                                                              .dq = all[0],
                                                              .dk = all[1],
                                                              .dv = dv,
                                                              .dquery_mixing = all[2],
                                                              .dkey_mixing = all[3],
                                                              .dfixed_mixing = all[4],
                                                              .scale = scale,
                                                              .soft_cap = soft_cap,
                                                              .mask = mask.view()});
    if (dv.defined()) all.push_back(dv);
    return all;
  }
};

struct ComposedAttentionBackward {
  static constexpr std::string_view name = "composed_attention";
  SavedScores scores;
  SavedTensor v;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    return scores.gradients(contiguous(dy), {}, v.get());
  }
};

struct ComposedWeightsBackward {
  static constexpr std::string_view name = "composed_attention_weights";
  SavedScores scores;

  std::vector<Tensor> operator()(const Tensor& dweights, Needed) const {
    return scores.gradients({}, contiguous(dweights), {});
  }
};

void run(const ComposedScores& scores, const Tensor& v, const Tensor& y, const Tensor& weights,
         const CausalMask& mask) {
  run_with_workspace(kernels::composed_attention_forward, scores.q.device(),
                     kernels::ComposedAttentionForwardArgs{.q = scores.q,
                                                           .k = scores.k,
                                                           .v = v,
                                                           .query_mixing = scores.mixing.query,
                                                           .key_mixing = scores.mixing.key,
                                                           .fixed_mixing = scores.mixing.fixed,
                                                           .slopes = scores.slopes,
                                                           .y = y,
                                                           .weights = weights,
                                                           .scale = scores.scale,
                                                           .soft_cap = scores.soft_cap,
                                                           .mask = mask.view()});
}

}  // namespace

Tensor composed_attention(const ComposedScores& given_scores, const Tensor& given_v,
                          const CausalMask& mask, const std::source_location& where) {
  MaskWatch::tell("composed_attention", mask, where);
  const auto scores = checked("composed_attention", given_scores, mask);
  detail::check_values("composed_attention", scores.k, given_v);
  const auto v = detail::dense_rows(given_v);
  const auto& q = scores.q;
  const auto y = empty({q.size(0), q.size(1), q.size(2), v.size(3)}, q.dtype(), q.device());
  run(scores, v, y, {}, mask);
  auto inputs = inputs_of(scores);
  inputs.push_back(v);
  return record<ComposedAttentionBackward>(y, inputs, [&] {
    return ComposedAttentionBackward{{scores, mask}, v};
  });
}

Tensor composed_attention_weights(const ComposedScores& given_scores, const CausalMask& mask,
                                  const std::source_location& where) {
  MaskWatch::tell("composed_attention_weights", mask, where);
  const auto scores = checked("composed_attention_weights", given_scores, mask);
  const auto& q = scores.q;
  const auto weights =
      empty({q.size(0), q.size(2), q.size(1), scores.k.size(1)}, q.dtype(), q.device());
  run(scores, {}, {}, weights, mask);
  return record<ComposedWeightsBackward>(weights, inputs_of(scores), [&] {
    return ComposedWeightsBackward{{scores, mask}};
  });
}

}  // namespace lookback
