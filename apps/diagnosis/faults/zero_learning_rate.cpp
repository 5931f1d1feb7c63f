// The schedule gives a learning rate of zero at every step.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class ZeroLearningRate final : public FaultInjection {
 public:
  std::string_view description() const override { return "a learning rate of zero"; }
  Verdict verdict() const override { return Verdict::frozen; }
  Changes changes() const override { return {Change::rate}; }
  double learning_rate(double) const override { return 0; }
};

const AddFault<ZeroLearningRate> registered{"zero_learning_rate"};

}  // namespace
}  // namespace lookback
