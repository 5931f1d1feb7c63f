// The list of parameters given to the optimizer lacks one.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class ForgottenByOptimizer final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "one parameter that the optimizer was not given";
  }
  Verdict verdict() const override { return Verdict::unregistered_parameter; }
  Changes changes() const override { return {Change::optimized}; }
  std::vector<NamedParameter> optimized(std::vector<NamedParameter> all) const override {
    std::erase_if(
        all, [](const auto& each) { return each.name == "model.layers.0.mlp.up_proj.weight"; });
    return all;
  }
};

const AddFault<ForgottenByOptimizer> registered{"forgotten_by_optimiser"};

}  // namespace
}  // namespace lookback
