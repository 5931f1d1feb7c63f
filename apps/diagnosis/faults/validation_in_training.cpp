// Validation draws from what the model is trained on.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class ValidationInTraining final : public FaultInjection {
 public:
  std::string_view description() const override { return "validation on the training data"; }
  Verdict verdict() const override { return Verdict::contamination; }
  Changes changes() const override { return {Change::data}; }
  DataChoice data(const DataChoice& healthy) const override {
    return {.training = healthy.training, .validation = {}, .validation_split = "train"};
  }
};

const AddFault<ValidationInTraining> registered{"validation_in_training"};

}  // namespace
}  // namespace lookback
