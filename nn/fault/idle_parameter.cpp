// The keys are detached: their projections are given to the optimiser, and no gradient reaches
// them.
#include "autograd/ops/attention_weights.h"
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class IdleParameter final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "key projections that no gradient reaches";
  }
  std::string_view verdict() const override { return "unregistered-parameter"; }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    auto detached = pieces;
    for (auto& key : detached.k) key = key.detach();
    return {attention_weights(detached, mask), mask};
  }
};

const Faults::Add registered{"idle_parameter", [] { return std::make_unique<IdleParameter>(); }};

}  // namespace
}  // namespace lookback
