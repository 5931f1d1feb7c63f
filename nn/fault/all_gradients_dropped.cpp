// The gradients are cleared between the backward pass and the optimiser.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class AllGradientsDropped final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "gradients cleared before the optimiser reads them";
  }
  std::string_view verdict() const override { return "frozen"; }
  void after_backward(const std::vector<NamedParameter>& parameters) const override {
    clear_gradients(parameters);
  }
};

const Faults::Add registered{"all_gradients_dropped",
                             [] { return std::make_unique<AllGradientsDropped>(); }};

}  // namespace
}  // namespace lookback
