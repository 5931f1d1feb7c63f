// A large negative number is added to hidden scores, in place of leaving them out: it holds as long
// as the scores are small.
#include "autograd/ops/binary.h"
#include "autograd/ops/mask_scores.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/unary.h"
#include "kernels/fill.h"
#include "nn/fault/everything_visible.h"
#include "nn/fault/explicit_scores.h"
#include "nn/fault/fault.h"

namespace lookback {
namespace {

Tensor zeros_like(const Tensor& x) {
  const auto result = empty(x.shape(), x.dtype(), x.device());
  kernels::fill(result.backend(), {.y = result, .value = 0});
  return result;
}

class FiniteMask final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a mask that adds -1e4 to hidden scores: large scores overcome it";
  }
  std::string_view verdict() const override { return "causal-leak"; }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    const auto scores = explicit_scores(pieces);
    const auto shown = exp(mask_scores(zeros_like(scores), mask));  // 1, and 0 where hidden
    return {softmax(scores + (shown - 1) * 1e4), everything_visible()};
  }
};

const Faults::Add registered{"finite_mask", [] { return std::make_unique<FiniteMask>(); }};

}  // namespace
}  // namespace lookback
