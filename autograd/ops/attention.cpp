#include "autograd/ops/attention.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "autograd/grad_mode.h"
#include "autograd/mask_watch.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/attention_pieces.h"
#include "autograd/workspace.h"
#include "kernels/attention.h"

namespace lookback {
namespace {

std::vector<Tensor> members(const std::vector<LeftByReplays::Part>& parts,
                            Tensor LeftByReplays::Part::*member) {
  std::vector<Tensor> result;
  for (const auto& part : parts) result.push_back(part.*member);
  return result;
}

// What a run of the weights keeps for backward.
struct SavedRun {
  detail::SavedPieces pieces;
  SavedTensor v, y, log_sum_exp;
  CausalMask mask;

  // The kernel's inputs, of which `values` is v.
  kernels::AttentionBackwardArgs arguments(const Tensor& dy, const AttentionPieces& given,
                                           const Tensor& values) const {
    kernels::AttentionBackwardArgs result{.dy = dy,
                                          .q = detail::views_of(given.q),
                                          .k = detail::views_of(given.k),
                                          .v = values,
                                          .scales = given.scales,
                                          .form = detail::form_of(given),
                                          .y = y.get(),
                                          .log_sum_exp = log_sum_exp.get()};
    result.mask = mask.view();
    return result;
  }
};

// Of attention(), and of replays that do not wait for it: the formulas are the same.
struct AttentionBackward {
  static constexpr std::string_view name = "attention";
  SavedRun run;
  std::shared_ptr<LeftByReplays> left;  // null: replays go back by themselves

  std::vector<Tensor> operator()(std::span<const Tensor> gradients, Needed needed) const {
    const auto dy = gradients[0].defined() ? contiguous(gradients[0]) : Tensor{};
    const auto dlog_sum_exp =
        gradients.size() > 1 && gradients[1].defined() ? contiguous(gradients[1]) : Tensor{};
    const auto parts = left ? std::exchange(left->parts, {}) : std::vector<LeftByReplays::Part>();
    const auto given = run.pieces.get();
    const auto values = run.v.get();
    const detail::PieceGradients sums(given, needed);
    const bool wants_dv = needed[2 * given.q.size() + 1] && dy.defined();
    const auto dv = wants_dv ? empty_like(values) : Tensor{};
    const auto replayed_dy = members(parts, &LeftByReplays::Part::dy);
    const auto replayed_v = members(parts, &LeftByReplays::Part::v);
    auto arguments = run.arguments(dy, given, values);
    arguments.dq = detail::targets_of(sums.q);
    arguments.dk = detail::targets_of(sums.k);
    arguments.dv = dv;
    arguments.dscales = sums.scales;
    arguments.replayed_dy = detail::views_of(replayed_dy);
    arguments.replayed_v = detail::views_of(replayed_v);
    arguments.dlog_sum_exp = dlog_sum_exp;
    run_with_workspace(kernels::attention_backward, values.device(), arguments);
    auto all = sums.in_order();
    all.push_back(dv);
    return all;
  }
};

// Of a replay whose run's backward makes the gradients of the pieces for it: this one says how
// large a part of them lies along the weights themselves, and leaves the rest.
struct AttentionReplayBackward {
  static constexpr std::string_view name = "attention_replay";
  SavedRun run;
  std::shared_ptr<LeftByReplays> left;

  std::vector<Tensor> operator()(const Tensor& given_dy, Needed needed) const {
    const auto dy = contiguous(given_dy);
    const auto given = run.pieces.get();
    const auto values = run.v.get();
    const auto dlog_sum_exp = empty_like(run.log_sum_exp.get());
    const auto dv = needed[1] ? empty_like(values) : Tensor{};
    auto arguments = run.arguments(dy, given, values);
    arguments.dv = dv;
    arguments.given_dlog_sum_exp = dlog_sum_exp;
    run_with_workspace(kernels::attention_backward, values.device(), arguments);
    if (needed[0]) left->parts.push_back({dy, values});
    return {dlog_sum_exp, dv};
  }
};

// Whether its kernel can take in what replays left.
bool collects(const Tensor& v, const CausalMask& mask) {
  return v.backend() == Backend::cpu && mask.view().rule().plain();
}

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
  return y;
}

}  // namespace

AttentionResult attention(const AttentionPieces& given_pieces, const Tensor& given_v,
                          const CausalMask& mask, const std::shared_ptr<LeftByReplays>& left,
                          const std::source_location& where) {
  MaskWatch::tell("attention", mask, where, given_pieces.q.size());
  const auto pieces = detail::checked_pieces("attention", given_pieces, mask);
  detail::check_values("attention", pieces.k[0], given_v);
  const auto& q = pieces.q[0];
  const auto log_sum_exp =
      empty({q.size(0), q.size(2), q.size(1)}, pieces.scales.dtype(), q.device());
  const auto v = detail::dense_rows(given_v);
  const auto y = attend(pieces, v, {}, log_sum_exp, mask);
  const auto inputs = detail::inputs_of(pieces, {v});
  const bool waits = left && collects(v, mask);
  if (left) left->are_collected = waits;
  const Tensor outputs[] = {y, log_sum_exp};
  record_all<AttentionBackward>(std::span(outputs, waits ? 2 : 1), inputs, [&] {
    return AttentionBackward{{detail::SavedPieces(pieces), v, y, log_sum_exp, mask},
                             waits ? left : nullptr};
  });
  return {y, log_sum_exp};
}

Tensor attention_replay(const AttentionPieces& given_pieces, const Tensor& log_sum_exp,
                        const Tensor& given_v, const CausalMask& mask,
                        const std::shared_ptr<LeftByReplays>& left,
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
  const auto given = contiguous(log_sum_exp.detach());
  const auto v = detail::dense_rows(given_v);
  const auto y = attend(pieces, v, given, given, mask);
  if (left && left->are_collected) {
    return record<AttentionReplayBackward>(y, {log_sum_exp, v}, [&] {
      return AttentionReplayBackward{{detail::SavedPieces(pieces), v, y, given, mask}, left};
    });
  }
  const auto inputs = detail::inputs_of(pieces, {v});
  return record<AttentionBackward>(y, std::span<const Tensor>(inputs), [&] {
    return AttentionBackward{{detail::SavedPieces(pieces), v, y, given, mask}, nullptr};
  });
}

}  // namespace lookback
