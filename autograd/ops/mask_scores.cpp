#include "autograd/ops/mask_scores.h"

#include <limits>

#include "autograd/mask_watch.h"
#include "autograd/ops/detail/check_mask.h"
#include "autograd/ops/detail/floating_operand.h"
#include "autograd/record.h"
#include "kernels/mask_scores.h"

namespace lookback {
namespace {

// Of both: dx = dy where visible, 0 elsewhere.
template <class Operation>
struct MaskBackward {
  static constexpr std::string_view name = Operation::name;
  CausalMask mask;

  std::vector<Tensor> operator()(const Tensor& dy, Needed) const {
    const auto dx = empty(dy.shape(), dy.dtype(), dy.device());
    kernels::mask_scores_backward(dy.backend(),
                                  {.dy = contiguous(dy), .dx = dx, .mask = mask.view()});
    return {dx};
  }
};

struct Scores {
  static constexpr std::string_view name = "mask_scores", operand = "scores";
  static constexpr double hidden = -std::numeric_limits<double>::infinity();
};
struct Weights {
  static constexpr std::string_view name = "mask_weights", operand = "weights";
  static constexpr double hidden = 0;
};

template <class Operation>
Tensor select_visible(const Tensor& given_x, const CausalMask& mask,
                      const std::source_location& where) {
  MaskWatch::tell(Operation::name, mask, where);
  const Check check{Operation::name};
  const auto x = floating_operand(Operation::name, given_x);
  const int rank = x.rank();
  check(rank >= 2, "{} {} must have at least two dimensions, queries and keys", Operation::operand,
        x.shape());
  std::int64_t heads = 1;
  for (int dim = 1; dim < rank - 2; ++dim) heads *= x.size(dim);
  detail::check_mask(check, mask,
                     {.sequences = rank > 2 ? x.size(0) : 1,
                      .heads = heads,
                      .rows = x.size(-2),
                      .keys = x.size(-1)});
  check(mask.offset >= 0, "offset {} must not be negative", mask.offset);
  const auto y = empty_like(x);
  kernels::mask_scores_forward(x.backend(),
                               {.x = x, .y = y, .mask = mask.view(), .hidden = Operation::hidden});
  return record<MaskBackward<Operation>>(y, {x}, [&] { return MaskBackward<Operation>{mask}; });
}

}  // namespace

Tensor mask_scores(const Tensor& scores, const CausalMask& mask,
                   const std::source_location& where) {
  return select_visible<Scores>(scores, mask, where);
}
Tensor mask_weights(const Tensor& weights, const CausalMask& mask,
                    const std::source_location& where) {
  return select_visible<Weights>(weights, mask, where);
}

}  // namespace lookback
