// The keys are detached: their projections are given to the optimizer, and no gradient reaches
// them.
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/attention_weights.h"

namespace lookback {
namespace {

class IdleParameter final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "key projections that no gradient reaches";
  }
  Verdict verdict() const override { return Verdict::unregistered_parameter; }
  Changes changes() const override { return {Change::gradient}; }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    auto detached = pieces;
    for (auto& key : detached.k) key = key.detach();
    return {attention_weights(detached, mask), mask};
  }
};

const AddFault<IdleParameter> registered{"idle_parameter"};

}  // namespace
}  // namespace lookback
