// The labels are not shifted: each position is asked for the token it was given.
#include "apps/diagnosis/faults/fault.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class UnshiftedLabels final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "labels that are the inputs, not the next tokens";
  }
  Verdict verdict() const override { return Verdict::misaligned_targets; }
  Changes changes() const override {
    return {Change::loss, Change::count, Change::step, Change::gradient};
  }
  Tensor targets(const Tensor& ids, const Tensor&) const override { return ids; }
};

const AddFault<UnshiftedLabels> registered{"unshifted_labels"};
const RegisteredPresets::Add preset{
    "fault-shifted-labels",
    {.description = "labels that are the inputs, not the next tokens",
     .config = R"({"fault": "unshifted_labels"})"}};

}  // namespace
}  // namespace lookback
