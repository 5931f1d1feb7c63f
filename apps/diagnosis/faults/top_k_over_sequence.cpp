// Each token attends to the keys with the largest scores, picked over the whole sequence and masked
// afterwards: which keys are left depends on the future.
#include "apps/diagnosis/faults/explicit_scores.h"
#include "apps/diagnosis/faults/fault.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/max.h"
#include "autograd/ops/unary.h"

namespace lookback {
namespace {

// 1 for the largest scores of each row, 0 for the others; equal ones share their rank.
Tensor picked(const Tensor& scores) {
  constexpr double sharpness = 1e4, out_of_reach = 1e9;
  const NoGrad no_grad;  // a choice has no gradient
  Tensor all;
  auto rest = scores;
  for (int rank = 0; rank < 4; ++rank) {
    const auto best = exp((rest - max(rest, {-1}, KeepDims::yes)) * sharpness);
    all = all.defined() ? all + best : best;
    rest = rest - best * out_of_reach;
  }
  return all;
}

class TopKOverSequence final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "each token picks its four best keys over the whole sequence, and is masked afterwards";
  }
  Verdict verdict() const override { return Verdict::causal_leak; }
  Changes changes() const override { return forward_changes(); }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    return {attention_weights(pieces, mask) * picked(explicit_scores(pieces)), mask};
  }
};

const AddFault<TopKOverSequence> registered{"top_k_over_sequence"};

}  // namespace
}  // namespace lookback
