// The gradients are cleared between the backward pass and the optimizer.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class AllGradientsDropped final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "gradients cleared before the optimizer reads them";
  }
  Verdict verdict() const override { return Verdict::frozen; }
  Changes changes() const override { return {Change::gradient}; }
  void after_backward(const std::vector<NamedParameter>& parameters) const override {
    clear_gradients(parameters);
  }
};

const AddFault<AllGradientsDropped> registered{"all_gradients_dropped"};

}  // namespace
}  // namespace lookback
