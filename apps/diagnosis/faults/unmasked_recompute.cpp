// The recorded scores are normalized again without the mask: the first run is causal, its replays
// look ahead.
#include "apps/diagnosis/faults/everything_visible.h"
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"
#include "autograd/ops/attention_weights.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class UnmaskedRecompute final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "earlier layers run again with scores normalized without the mask";
  }
  Verdict verdict() const override { return Verdict::causal_leak; }
  Changes changes() const override { return forward_changes({Change::decoded}); }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_recomputation(config);
  }
  MaskedWeights attention_again(const AttentionPieces& pieces,
                                const MaskedWeights&) const override {
    const auto mask = everything_visible();
    return {attention_weights(pieces, mask), mask};
  }
};

const AddFault<UnmaskedRecompute> registered{"unmasked_recompute"};
const RegisteredPresets::Add preset{
    "fault-unmasked-recompute",
    {.description = "method1 whose earlier layers run again without their mask",
     .config = R"({"cross_layer_residual": {"site": "mlp", "source": "recomputed", "weights": "sum",
                   "stream": "add", "include_self": true}, "fault": "unmasked_recompute"})"}};

}  // namespace
}  // namespace lookback
