// Earlier layers run again with their recorded attention weights, and hand back half of the
// gradient of these: all values are right, and no gradient is missing.
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"
#include "apps/diagnosis/faults/scale_gradient.h"

namespace lookback {
namespace {

class HalfGradientOfReplay final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "earlier layers run again hand back half of the gradient of their attention weights";
  }
  Verdict verdict() const override { return Verdict::wrong_gradient; }
  Changes changes() const override { return {Change::gradient}; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_recomputation(config);
  }
  MaskedWeights attention_again(const AttentionPieces&,
                                const MaskedWeights& recorded) const override {
    return {scale_gradient(recorded.weights, 0.5), recorded.mask};
  }
};

const AddFault<HalfGradientOfReplay> registered{"half_gradient_of_replay"};

}  // namespace
}  // namespace lookback
