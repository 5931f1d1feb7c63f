// The schedule gives a learning rate of zero at every step.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class ZeroLearningRate final : public FaultInjection {
 public:
  std::string_view description() const override { return "a learning rate of zero"; }
  std::string_view verdict() const override { return "frozen"; }
  double learning_rate(double) const override { return 0; }
};

const Faults::Add registered{"zero_learning_rate",
                             [] { return std::make_unique<ZeroLearningRate>(); }};

}  // namespace
}  // namespace lookback
