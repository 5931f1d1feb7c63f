// Training goes through the same few random sequences again and again.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class FixedTrainingData final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "training on builtin:fixed, 64 sequences that can only be learned by heart";
  }
  Verdict verdict() const override { return Verdict::memorisation; }
  Changes changes() const override { return {Change::data}; }
  DataChoice data(const DataChoice&) const override {
    return {.training = "builtin:fixed", .validation = {}};
  }
};

const AddFault<FixedTrainingData> registered{"fixed_training_data"};

}  // namespace
}  // namespace lookback
