// Each micro-batch is divided by its own number of targets, and the step is the mean of these
// means.
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/binary.h"

namespace lookback {
namespace {

class MeanPerMicroBatch final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a step's loss is the mean of its micro-batches' means";
  }
  Verdict verdict() const override { return Verdict::accumulation_mismatch; }
  Changes changes() const override { return {Change::step, Change::gradient}; }
  Tensor micro_batch_loss(const Tensor& loss_sum, double targets,
                          double mean_targets) const override {
    return loss_sum * (targets > 0 ? mean_targets / targets : 0);
  }
};

const AddFault<MeanPerMicroBatch> registered{"mean_per_micro_batch"};

}  // namespace
}  // namespace lookback
