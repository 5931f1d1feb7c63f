#include "autograd/ops/cross_entropy.h"

#include <algorithm>

#include "autograd/ops/binary.h"
#include "autograd/ops/contiguous.h"
#include "autograd/ops/detail/rows.h"
#include "autograd/record.h"
#include "autograd/workspace.h"
#include "kernels/cross_entropy.h"

namespace lookback {
namespace {

struct CrossEntropyBackward {
  static constexpr std::string_view name = "cross_entropy";
  SavedTensor logits, targets, maximum, sum;  // rows
  Shape shape;
  std::int64_t ignore_index;

  std::vector<Tensor> operator()(const Tensor& dloss_sum, Needed) const {
    const auto rows = logits.get();
    const auto dlogits = empty(shape, rows.dtype(), rows.device());
    kernels::cross_entropy_backward(rows.backend(), {.dloss_sum = dloss_sum,
                                                     .logits = rows,
                                                     .targets = targets.get(),
                                                     .maximum = maximum.get(),
                                                     .sum = sum.get(),
                                                     .dlogits = as_rows(dlogits),
                                                     .ignore_index = ignore_index});
    return {dlogits};
  }
};

void check_arguments(const Tensor& logits, const Tensor& targets,
                     const CrossEntropyOptions& options) {
  const Check check{"cross_entropy"};
  check(logits.rank() > 0 && is_floating(logits.dtype()),
        "logits {} {} must be floating with at least one dimension", logits.dtype(),
        logits.shape());
  auto rows = logits.shape();
  rows.erase(rows.rank() - 1);
  check(targets.dtype() == DType::i64 && targets.shape() == rows,
        "targets {} {} must be int64 {}: logits are {}", targets.dtype(), targets.shape(), rows,
        logits.shape());
  if (options.keep_nats) no_gradient("cross_entropy with keep_nats", {logits});
}

}  // namespace

CrossEntropyResult cross_entropy(const Tensor& logits, const Tensor& given_targets,
                                 const CrossEntropyOptions& options) {
  check_arguments(logits, given_targets, options);
  const auto targets = contiguous(given_targets);
  const auto rows = as_rows(logits);
  const auto dtype = accumulator_of(logits.dtype());
  const auto per_row = [&] { return empty(targets.shape(), dtype, logits.device()); };
  const auto number = [&](DType type) { return empty({}, type, logits.device()); };
  CrossEntropyResult result;
  result.loss_sum = number(dtype);
  result.count = number(DType::i64);
  if (options.count_correct) result.correct = number(DType::i64);
  const auto nats = per_row(), maximum = per_row(), sum = per_row();
  if (options.keep_nats) result.nats = nats;
  run_with_workspace(kernels::cross_entropy_forward, logits.device(),
                     kernels::CrossEntropyForwardArgs{.logits = rows,
                                                      .targets = targets,
                                                      .loss_sum = result.loss_sum,
                                                      .count = result.count,
                                                      .correct = result.correct,
                                                      .nats = nats,
                                                      .maximum = maximum,
                                                      .sum = sum,
                                                      .workspace = {},
                                                      .ignore_index = options.ignore_index});
  record<CrossEntropyBackward>(result.loss_sum, {logits}, [&] {
    return CrossEntropyBackward{rows, targets, maximum, sum, logits.shape(), options.ignore_index};
  });
  return result;
}

Tensor mean_loss(const CrossEntropyResult& result) {
  return affine(result.loss_sum, 1 / std::max(result.count.item(), 1.0), 0);
}

}  // namespace lookback
