// The loader shifts the labels, and so does the loss: each position is asked for the token after
// the next.
#include "apps/diagnosis/faults/fault.h"
#include "nn/llama/llama.h"

namespace lookback {
namespace {

class LabelsShiftedTwice final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "labels that are the tokens after the next ones";
  }
  Verdict verdict() const override { return Verdict::misaligned_targets; }
  Changes changes() const override {
    return {Change::loss, Change::count, Change::step, Change::gradient};
  }
  Tensor targets(const Tensor&, const Tensor& healthy) const override {
    return next_token_targets(healthy);
  }
};

const AddFault<LabelsShiftedTwice> registered{"labels_shifted_twice"};

}  // namespace
}  // namespace lookback
