// Training goes through the same few random sequences again and again.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class FixedTrainingData final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "training on builtin:fixed, 64 sequences that can only be learned by heart";
  }
  std::string_view verdict() const override { return "memorisation"; }
  DataChoice data(const DataChoice&) const override {
    return {.training = "builtin:fixed", .validation = {}};
  }
};

const Faults::Add registered{"fixed_training_data",
                             [] { return std::make_unique<FixedTrainingData>(); }};

}  // namespace
}  // namespace lookback
