// The list of parameters given to the optimiser lacks one.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class ForgottenByOptimiser final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "one parameter that the optimiser was not given";
  }
  std::string_view verdict() const override { return "unregistered-parameter"; }
  std::vector<NamedParameter> optimised(std::vector<NamedParameter> all) const override {
    std::erase_if(
        all, [](const auto& each) { return each.name == "model.layers.0.mlp.up_proj.weight"; });
    return all;
  }
};

const Faults::Add registered{"forgotten_by_optimiser",
                             [] { return std::make_unique<ForgottenByOptimiser>(); }};

}  // namespace
}  // namespace lookback
