// The stream is detached between two layers: what lies before learns nothing from it.
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"

namespace lookback {
namespace {

class DroppedGradientBetweenLayers final : public FaultInjection {
 public:
  std::string_view description() const override { return "the stream is detached after layer 0"; }
  Verdict verdict() const override { return Verdict::severed_path; }
  Changes changes() const override { return {Change::gradient}; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_two_layers(config);
  }
  ResidualSum layer_output(std::int64_t layer, const ResidualSum& healthy) const override {
    if (layer != 0) return healthy;
    return {healthy.stream.detach(), healthy.update.defined() ? healthy.update.detach() : Tensor{}};
  }
};

const AddFault<DroppedGradientBetweenLayers> registered{"dropped_gradient_between_layers"};

}  // namespace
}  // namespace lookback
