// Each micro-batch is divided by its own number of targets, and the step is the mean of these
// means.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class MeanPerMicroBatch final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a step's loss is the mean of its micro-batches' means";
  }
  std::string_view verdict() const override { return "accumulation-mismatch"; }
  double micro_batch_factor(double targets, double mean_targets) const override {
    return targets > 0 ? mean_targets / targets : 0;
  }
};

const Faults::Add registered{"mean_per_micro_batch",
                             [] { return std::make_unique<MeanPerMicroBatch>(); }};

}  // namespace
}  // namespace lookback
