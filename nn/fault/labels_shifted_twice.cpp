// The loader shifts the labels, and so does the loss: each position is asked for the token after
// the next.
#include "nn/fault/fault.h"
#include "nn/llama/llama.h"

namespace lookback {
namespace {

class LabelsShiftedTwice final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "labels that are the tokens after the next ones";
  }
  std::string_view verdict() const override { return "misaligned-targets"; }
  Tensor targets(const Tensor&, const Tensor& healthy) const override {
    return next_token_targets(healthy);
  }
};

const Faults::Add registered{"labels_shifted_twice",
                             [] { return std::make_unique<LabelsShiftedTwice>(); }};

}  // namespace
}  // namespace lookback
