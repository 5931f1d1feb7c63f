#include "autograd/ops/mask_scores.h"

#include "autograd/mask_watch.h"
#include "autograd/ops/detail/check_mask.h"
#include "autograd/ops/detail/floating_operand.h"
#include "autograd/record.h"
#include "kernels/mask_scores.h"

namespace lookback {
namespace {

struct MaskScoresBackward {
  static constexpr std::string_view name = "mask_scores";
  CausalMask mask;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::mask_scores_backward(dy.backend(),
                                  {.dy = contiguous(dy), .dx = dx, .mask = mask.view()});
    return {dx};
  }
};

}  // namespace

Tensor mask_scores(const Tensor& given_scores, const CausalMask& mask,
                   const std::source_location& where) {
  MaskWatch::tell("mask_scores", mask, where);
  const Check check{"mask_scores"};
  const auto scores = floating_operand("mask_scores", given_scores);
  const int rank = scores.rank();
  check(rank >= 2, "scores {} must have at least two dimensions, queries and keys", scores.shape());
  std::int64_t heads = 1;
  for (int dim = 1; dim < rank - 2; ++dim) heads *= scores.size(dim);
  detail::check_mask(check, mask,
                     {.sequences = rank > 2 ? scores.size(0) : 1,
                      .heads = heads,
                      .rows = scores.size(-2),
                      .keys = scores.size(-1)});
  check(mask.offset >= 0, "offset {} must not be negative", mask.offset);
  const auto y = empty_like(scores);
  kernels::mask_scores_forward(scores.backend(), {.x = scores, .y = y, .mask = mask.view()});
  return record<MaskScoresBackward>(y, {scores}, [&] { return MaskScoresBackward{mask}; });
}

}  // namespace lookback
