// The list of parameters given to the optimiser lacks one.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class ForgottenByOptimiser final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "one parameter that the optimiser was not given";
  }
  Verdict verdict() const override { return Verdict::unregistered_parameter; }
  Changes changes() const override { return {Change::optimized}; }
  std::vector<NamedParameter> optimized(std::vector<NamedParameter> all) const override {
    std::erase_if(
        all, [](const auto& each) { return each.name == "model.layers.0.mlp.up_proj.weight"; });
    return all;
  }
};

const AddFault<ForgottenByOptimiser> registered{"forgotten_by_optimiser"};

}  // namespace
}  // namespace lookback
