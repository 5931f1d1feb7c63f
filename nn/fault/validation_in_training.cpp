// Validation draws from what the model is trained on.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class ValidationInTraining final : public FaultInjection {
 public:
  std::string_view description() const override { return "validation on the training data"; }
  std::string_view verdict() const override { return "contamination"; }
  DataChoice data(const DataChoice& healthy) const override {
    return {.training = healthy.training, .validation = {}, .validation_split = "train"};
  }
};

const Faults::Add registered{"validation_in_training",
                             [] { return std::make_unique<ValidationInTraining>(); }};

}  // namespace
}  // namespace lookback
