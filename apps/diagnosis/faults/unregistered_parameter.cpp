// The learned layer weights act, but no gradient reaches them.
#include "apps/diagnosis/faults/fault.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class UnregisteredParameter final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "learned layer weights that get no gradient";
  }
  Verdict verdict() const override { return Verdict::unregistered_parameter; }
  Changes changes() const override { return {Change::gradient}; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    const auto& cross = config.cross_layer_residual;
    const bool learned = cross && cross->weights == CrossLayerResidual::Weights::learned;
    const auto last_terms = config.num_hidden_layers - (cross && cross->include_self ? 0 : 1);
    return learned && last_terms > 1 ? "" : "learned layer weights over two layers or more";
  }
  Tensor layer_weights(const Tensor& healthy) const override { return healthy.detach(); }
};

const AddFault<UnregisteredParameter> registered{"unregistered_parameter"};
const RegisteredPresets::Add preset{
    "fault-unregistered",
    {.description = "method3.2 whose learned layer weights get no gradient",
     .config = R"({"cross_layer_residual": {"site": "mlp", "source": "recomputed",
                   "weights": "learned", "stream": "add", "include_self": true},
                   "fault": "unregistered_parameter"})"}};

}  // namespace
}  // namespace lookback
