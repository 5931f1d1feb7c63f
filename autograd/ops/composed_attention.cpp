#include "autograd/ops/composed_attention.h"

#include "autograd/mask_watch.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/attention_pieces.h"
#include "autograd/workspace.h"
#include "kernels/composed_attention.h"

namespace lookback {
namespace {

void check_side(const Check& check, std::string_view name, const Tensor& x, const Tensor& of,
                std::int64_t heads, DType dtype) {
  check(x.rank() == 5 && x.size(0) == of.size(0) && x.size(1) == of.size(1) && x.size(2) == 2 &&
            x.size(3) % 2 == 1 && x.size(4) == heads && x.dtype() == dtype,
        "mixing.{} {} of {} must be ({}, {}, 2, 2 rank + 1, {}) of {}", name, x.shape(), x.dtype(),
        of.size(0), of.size(1), heads, dtype);
}

void check_mixing(const Check& check, const HeadMixing& mixing, const AttentionPieces& piece) {
  const auto heads = piece.q[0].size(2);
  const auto dtype = piece.scales.dtype();
  check_side(check, "query", mixing.query, piece.q[0], heads, dtype);
  check_side(check, "key", mixing.key, piece.k[0], heads, dtype);
  check(mixing.query.size(3) == mixing.key.size(3),
        "mixing.query {} and mixing.key {} must have one rank", mixing.query.shape(),
        mixing.key.shape());
  const auto& fixed = mixing.fixed;
  const Shape square{2, heads, heads};
  check(!fixed.defined() || (fixed.shape() == square && fixed.dtype() == dtype),
        "mixing.fixed must be {} of {}", square, dtype);
}

// Tensors whose last three dimensions are dense: themselves, or copies.
Tensor dense_side(const Tensor& x) {
  const auto& strides = x.strides();
  const bool dense =
      strides[4] == 1 && strides[3] == x.size(4) && strides[2] == x.size(3) * x.size(4);
  return dense ? x : contiguous(x);
}

// What the weights are made of, as the kernels take it.
struct Scores {
  AttentionPieces piece;
  HeadMixing mixing;
  CausalMask mask;

  // Throws unless all is as the header says.
  Scores(std::string_view operation, const AttentionPieces& given_piece,
         const HeadMixing& given_mixing, const CausalMask& given_mask)
      : piece(detail::checked_pieces(operation, given_piece, given_mask)), mask(given_mask) {
    const Check check{operation};
    check(piece.q.size() == 1, "{} pieces: the heads of one are composed", piece.q.size());
    check(!requires_grad(piece.scales), "the scale requires a gradient: it has none here");
    check_mixing(check, given_mixing, piece);
    mixing = {dense_side(given_mixing.query), dense_side(given_mixing.key)};
    if (given_mixing.fixed.defined()) mixing.fixed = contiguous(given_mixing.fixed);
  }

  // The inputs of a node, and v where there is one.
  std::vector<Tensor> inputs(const Tensor& v) const {
    std::vector<Tensor> all{piece.q[0], piece.k[0], mixing.query, mixing.key, mixing.fixed};
    if (v.defined()) all.push_back(v);
    return all;
  }

  void run(const Tensor& v, const Tensor& y, const Tensor& weights) const {
    run_with_workspace(kernels::composed_attention_forward, piece.q[0].device(),
                       kernels::ComposedAttentionForwardArgs{.q = piece.q[0],
                                                             .k = piece.k[0],
                                                             .v = v,
                                                             .query_mixing = mixing.query,
                                                             .key_mixing = mixing.key,
                                                             .fixed_mixing = mixing.fixed,
                                                             .scale = piece.scales,
                                                             .form = detail::form_of(piece),
                                                             .y = y,
                                                             .weights = weights,
                                                             .mask = mask.view()});
  }
};

struct SavedScores {
  detail::SavedPieces pieces;
  SavedTensor query_mixing, key_mixing, fixed_mixing;
  CausalMask mask;

  explicit SavedScores(const Scores& scores)
      : pieces(scores.piece),
        query_mixing(scores.mixing.query),
        key_mixing(scores.mixing.key),
        fixed_mixing(scores.mixing.fixed),
        mask(scores.mask) {}

  // The gradients of the inputs in their order, from that of y or that of the weights.
  std::vector<Tensor> gradients(const Tensor& dy, const Tensor& dweights, const Tensor& v) const {
    const auto piece = pieces.get();
    const HeadMixing mixing{query_mixing.get(), key_mixing.get(), fixed_mixing.get()};
    const auto like = [](const Tensor& x) {
      return x.defined() ? empty(x.shape(), x.dtype(), x.device()) : Tensor{};
    };
    std::vector<Tensor> all{like(piece.q[0]), like(piece.k[0]), like(mixing.query),
                            like(mixing.key), like(mixing.fixed)};
    const auto dv = like(v);
    run_with_workspace(kernels::composed_attention_backward, piece.q[0].device(),
                       kernels::ComposedAttentionBackwardArgs{.dy = dy,
                                                              .dweights = dweights,
                                                              .q = piece.q[0],
                                                              .k = piece.k[0],
                                                              .v = v,
                                                              .query_mixing = mixing.query,
                                                              .key_mixing = mixing.key,
                                                              .fixed_mixing = mixing.fixed,
                                                              .scale = piece.scales,
                                                              .form = detail::form_of(piece),
                                                              .dq = all[0],
                                                              .dk = all[1],
                                                              .dv = dv,
                                                              .dquery_mixing = all[2],
                                                              .dkey_mixing = all[3],
                                                              .dfixed_mixing = all[4],
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

}  // namespace

Tensor composed_attention(const AttentionPieces& piece, const HeadMixing& mixing,
                          const Tensor& given_v, const CausalMask& mask,
                          const std::source_location& where) {
  MaskWatch::tell("composed_attention", mask, where);
  const Scores scores("composed_attention", piece, mixing, mask);
  detail::check_values("composed_attention", scores.piece.k[0], given_v);
  const auto v = detail::dense_rows(given_v);
  const auto& q = scores.piece.q[0];
  const auto y = empty({q.size(0), q.size(1), q.size(2), v.size(3)}, q.dtype(), q.device());
  scores.run(v, y, {});
  return record<ComposedAttentionBackward>(y, scores.inputs(v), [&] {
    return ComposedAttentionBackward{SavedScores(scores), v};
  });
}

Tensor composed_attention_weights(const AttentionPieces& piece, const HeadMixing& mixing,
                                  const CausalMask& mask, const std::source_location& where) {
  MaskWatch::tell("composed_attention_weights", mask, where);
  const Scores scores("composed_attention_weights", piece, mixing, mask);
  const auto& q = scores.piece.q[0];
  const auto weights =
      empty({q.size(0), q.size(2), q.size(1), scores.piece.k[0].size(1)}, q.dtype(), q.device());
  scores.run({}, {}, weights);
  return record<ComposedWeightsBackward>(
      weights, scores.inputs({}), [&] { return ComposedWeightsBackward{SavedScores(scores)}; });
}

}  // namespace lookback
