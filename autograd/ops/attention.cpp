#include "autograd/ops/attention.h"

#include "autograd/mask_watch.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/attention_pieces.h"
#include "autograd/workspace.h"
#include "kernels/attention.h"

namespace lookback {
namespace {

// Of attention() and of attention_replay(): the formulas are the same.
struct AttentionBackward {
  static constexpr std::string_view name = "attention";
  detail::SavedPieces pieces;
  SavedTensor v, y, log_sum_exp;
  CausalMask mask;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto dy = contiguous(given_dy);
    const auto given = pieces.get();
    const auto values = v.get();
    const detail::PieceGradients gradients(given, needed);
    const auto dv = needed[2 * given.q.size() + 1] ? empty_like(values) : Tensor{};
    run_with_workspace(kernels::attention_backward, dy.device(),
                       kernels::AttentionBackwardArgs{.dy = dy,
                                                      .q = detail::views_of(given.q),
                                                      .k = detail::views_of(given.k),
                                                      .v = values,
                                                      .scales = given.scales,
                                                      .form = detail::form_of(given),
                                                      .y = y.get(),
                                                      .log_sum_exp = log_sum_exp.get(),
                                                      .dq = detail::targets_of(gradients.q),
                                                      .dk = detail::targets_of(gradients.k),
                                                      .dv = dv,
                                                      .dscales = gradients.scales,
                                                      .mask = mask.view()});
    auto all = gradients.in_order();
    all.push_back(dv);
    return all;
  }
};

// `log_sum_exp` is read where `given`, else written.
Tensor attend(const AttentionPieces& pieces, const Tensor& v, const Tensor& given,
              const Tensor& log_sum_exp, const CausalMask& mask) {
  const auto& q = pieces.q[0];
  const auto y = empty({q.size(0), q.size(1), q.size(2), v.size(3)}, v.dtype(), v.device());
  run_with_workspace(
      kernels::attention_forward, v.device(),
      kernels::AttentionForwardArgs{.q = detail::views_of(pieces.q),
                                    .k = detail::views_of(pieces.k),
                                    .v = v,
                                    .scales = pieces.scales,
                                    .form = detail::form_of(pieces),
                                    .given_log_sum_exp = given,
                                    .y = y,
                                    .log_sum_exp = given.defined() ? Tensor{} : log_sum_exp,
                                    .mask = mask.view()});
  const auto inputs = detail::inputs_of(pieces, {v});
  return record<AttentionBackward>(y, inputs, [&] {
    return AttentionBackward{detail::SavedPieces(pieces), v, y, log_sum_exp, mask};
  });
}

}  // namespace

AttentionResult attention(const AttentionPieces& given_pieces, const Tensor& given_v,
                          const CausalMask& mask, const std::source_location& where) {
  MaskWatch::tell("attention", mask, where, given_pieces.q.size());
  const auto pieces = detail::checked_pieces("attention", given_pieces, mask);
  detail::check_values("attention", pieces.k[0], given_v);
  const auto& q = pieces.q[0];
  const auto log_sum_exp =
      empty({q.size(0), q.size(2), q.size(1)}, pieces.scales.dtype(), q.device());
  return {attend(pieces, detail::dense_rows(given_v), {}, log_sum_exp, mask), log_sum_exp};
}

Tensor attention_replay(const AttentionPieces& given_pieces, const Tensor& log_sum_exp,
                        const Tensor& given_v, const CausalMask& mask,
                        const std::source_location& where) {
  MaskWatch::tell("attention_replay", mask, where, given_pieces.q.size());
  const auto pieces = detail::checked_pieces("attention_replay", given_pieces, mask);
  detail::check_values("attention_replay", pieces.k[0], given_v);
  const auto& q = pieces.q[0];
  const Shape one_each{q.size(0), q.size(2), q.size(1)};
  const Check check{"attention_replay"};
  check(log_sum_exp.shape() == one_each && log_sum_exp.dtype() == pieces.scales.dtype(),
        "log_sum_exp {} of {} must be {} of {}: one number for each row and head",
        log_sum_exp.shape(), log_sum_exp.dtype(), one_each, pieces.scales.dtype());
  const auto given = contiguous(log_sum_exp);
  return attend(pieces, detail::dense_rows(given_v), given, given, mask);
}

}  // namespace lookback
