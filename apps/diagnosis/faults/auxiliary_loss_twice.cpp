// What routers add to the loss is added in the forward pass, and again where a layer is run again
// for its gradients.
#include "apps/diagnosis/faults/attention_of_type.h"
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/binary.h"

namespace lookback {
namespace {

class AuxiliaryLossTwice final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "routers' losses count twice where activations are recomputed";
  }
  Verdict verdict() const override { return Verdict::paths_disagree; }
  Changes changes() const override { return {Change::recomputed}; }
  std::string_view attention_mechanism() const override {
    return R"({"type": "moh", "num_shared_heads": 1, "num_selected_heads": 2})";
  }
  std::string_view missing_in(const LlamaConfig& config) const override {
    const bool routed = has_attention(config, "moh") || has_attention(config, "moa");
    return routed ? "" : "attention_mechanism moh or moa in every layer";
  }
  Tensor auxiliary_loss(const Tensor& loss, Activations activations) const override {
    return activations == Activations::recomputed ? loss * 2 : loss;
  }
};

const AddFault<AuxiliaryLossTwice> registered{"auxiliary_loss_twice"};

}  // namespace
}  // namespace lookback
