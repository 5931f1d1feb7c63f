// A large negative number is added to hidden scores, in place of leaving them out: it holds as long
// as the scores are small.
#include "apps/diagnosis/faults/everything_visible.h"
#include "apps/diagnosis/faults/explicit_scores.h"
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/mask_scores.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/unary.h"
#include "kernels/fill.h"

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
  Verdict verdict() const override { return Verdict::causal_leak; }
  Changes changes() const override { return {Change::scaled_logits}; }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    const auto scores = explicit_scores(pieces);
    const auto shown = exp(mask_scores(zeros_like(scores), mask));  // 1, and 0 where hidden
    return {softmax(scores + (shown - 1) * 1e4), everything_visible()};
  }
};

const AddFault<FiniteMask> registered{"finite_mask"};

}  // namespace
}  // namespace lookback
