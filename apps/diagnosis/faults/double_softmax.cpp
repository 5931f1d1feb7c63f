// The recorded weights, already masked and normalized, are masked and normalized a second time.
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"
#include "autograd/ops/mask_scores.h"
#include "autograd/ops/softmax.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class DoubleSoftmax final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "earlier layers run again with attention weights that passed the softmax twice";
  }
  Verdict verdict() const override { return Verdict::double_softmax; }
  Changes changes() const override { return forward_changes(); }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_recomputation(config);
  }
  MaskedWeights attention_again(const AttentionPieces&,
                                const MaskedWeights& recorded) const override {
    return {softmax(mask_scores(recorded.weights, recorded.mask)), recorded.mask};
  }
};

const AddFault<DoubleSoftmax> registered{"double_softmax"};
const RegisteredPresets::Add preset{
    "fault-double-softmax",
    {.description = "method1 whose recorded attention weights pass the softmax twice",
     .config = R"({"cross_layer_residual": {"site": "mlp", "source": "recomputed", "weights": "sum",
                   "stream": "add", "include_self": true}, "fault": "double_softmax"})"}};

}  // namespace
}  // namespace lookback
