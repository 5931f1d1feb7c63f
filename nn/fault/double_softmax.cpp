// The recorded weights, already masked and normalised, are masked and normalised a second time.
#include "autograd/ops/mask_scores.h"
#include "autograd/ops/softmax.h"
#include "nn/fault/fault.h"
#include "nn/fault/needs.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class DoubleSoftmax final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "earlier layers run again with attention weights that passed the softmax twice";
  }
  std::string_view verdict() const override { return "double-softmax"; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_recomputation(config);
  }
  MaskedWeights attention_again(const AttentionPieces&,
                                const MaskedWeights& recorded) const override {
    return {softmax(mask_scores(recorded.weights, recorded.mask)), recorded.mask};
  }
};

const Faults::Add registered{"double_softmax", [] { return std::make_unique<DoubleSoftmax>(); }};
const PresetRegistration preset{
    "fault-double-softmax",
    {.description = "method1 whose recorded attention weights pass the softmax twice",
     .config = R"({"cross_layer_residual": {"site": "mlp", "source": "recomputed", "weights": "sum",
                   "stream": "add", "include_self": true}, "fault": "double_softmax"})"}};

}  // namespace
}  // namespace lookback
