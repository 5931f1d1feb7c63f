// The learning rate is scaled by the rows of a batch, though the peak was chosen for that batch.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class RateTimesBatch final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "the optimizer is given four times the learning rate of the schedule";
  }
  Verdict verdict() const override { return Verdict::wrong_step; }
  Changes changes() const override { return {Change::rate}; }
  double learning_rate(double rate) const override { return 4 * rate; }
};

const AddFault<RateTimesBatch> registered{"rate_times_batch"};

}  // namespace
}  // namespace lookback
