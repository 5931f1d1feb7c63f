// The labels are not shifted: each position is asked for the token it was given.
#include "nn/fault/fault.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class UnshiftedLabels final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "labels that are the inputs, not the next tokens";
  }
  std::string_view verdict() const override { return "misaligned-targets"; }
  Tensor targets(const Tensor& ids, const Tensor&) const override { return ids; }
};

const Faults::Add registered{"unshifted_labels",
                             [] { return std::make_unique<UnshiftedLabels>(); }};
const PresetRegistration preset{"fault-shifted-labels",
                                {.description = "labels that are the inputs, not the next tokens",
                                 .config = R"({"fault": "unshifted_labels"})"}};

}  // namespace
}  // namespace lookback
