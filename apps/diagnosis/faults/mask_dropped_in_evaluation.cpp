// Without gradients attention takes another kernel, which was given no mask.
#include "apps/diagnosis/faults/everything_visible.h"
#include "apps/diagnosis/faults/fault.h"
#include "autograd/grad_mode.h"

namespace lookback {
namespace {

class MaskDroppedInEvaluation final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "attention without its mask wherever no gradient is recorded";
  }
  Verdict verdict() const override { return Verdict::causal_leak; }
  Changes changes() const override { return {Change::evaluated}; }
  CausalMask mask(const CausalMask& healthy, std::int64_t) const override {
    return grad_enabled() ? healthy : everything_visible();
  }
};

const AddFault<MaskDroppedInEvaluation> registered{"mask_dropped_in_evaluation"};

}  // namespace
}  // namespace lookback
