// The attention weights, already masked and normalised, are masked and normalised a second time.
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/mask_scores.h"
#include "autograd/ops/softmax.h"
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class DoubleSoftmaxAttention final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "attention weights that pass the softmax twice";
  }
  std::string_view verdict() const override { return "double-softmax"; }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    return {softmax(mask_scores(attention_weights(pieces, mask), mask)), mask};
  }
};

const Faults::Add registered{"double_softmax_attention",
                             [] { return std::make_unique<DoubleSoftmaxAttention>(); }};

}  // namespace
}  // namespace lookback
