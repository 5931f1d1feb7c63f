// The recorded scores are normalised again without the mask: the first run is causal, its replays
// look ahead.
#include "autograd/ops/attention_weights.h"
#include "nn/fault/everything_visible.h"
#include "nn/fault/fault.h"
#include "nn/llama/preset.h"

namespace lookback {
namespace {

class UnmaskedRecompute final : public Fault {
 public:
  std::string_view description() const override {
    return "earlier layers run again with scores normalised without the mask";
  }
  std::shared_ptr<const AttentionReplay> replay(const AttentionPieces& pieces, const Tensor&,
                                                const CausalMask&) const override {
    const auto mask = everything_visible();
    return replay_of_weights(attention_weights(pieces, mask), mask);
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
