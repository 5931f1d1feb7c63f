// The attention weights, already masked and normalized, are masked and normalized a second time.
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/mask_scores.h"
#include "autograd/ops/softmax.h"

namespace lookback {
namespace {

class DoubleSoftmaxAttention final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "attention weights that pass the softmax twice";
  }
  Verdict verdict() const override { return Verdict::double_softmax; }
  Changes changes() const override { return forward_changes(); }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    return {softmax(mask_scores(attention_weights(pieces, mask), mask)), mask};
  }
};

const AddFault<DoubleSoftmaxAttention> registered{"double_softmax_attention"};

}  // namespace
}  // namespace lookback
