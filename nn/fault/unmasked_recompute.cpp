// The recorded scores are normalised again without the mask: the first run is causal, its replays
// look ahead.
#include "autograd/ops/attention_weights.h"
#include "nn/fault/everything_visible.h"
#include "nn/fault/fault.h"
#include "nn/fault/needs.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class UnmaskedRecompute final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "earlier layers run again with scores normalised without the mask";
  }
  std::string_view verdict() const override { return "causal-leak"; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_recomputation(config);
  }
  MaskedWeights attention_again(const AttentionPieces& pieces,
                                const MaskedWeights&) const override {
    const auto mask = everything_visible();
    return {attention_weights(pieces, mask), mask};
  }
};

const Faults::Add registered{"unmasked_recompute",
                             [] { return std::make_unique<UnmaskedRecompute>(); }};
const PresetRegistration preset{
    "fault-unmasked-recompute",
    {.description = "method1 whose earlier layers run again without their mask",
     .config = R"({"cross_layer_residual": {"site": "mlp", "source": "recomputed", "weights": "sum",
                   "stream": "add", "include_self": true}, "fault": "unmasked_recompute"})"}};

}  // namespace
}  // namespace lookback
