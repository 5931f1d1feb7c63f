// Without gradients attention takes another kernel, which was given no mask.
#include "autograd/grad_mode.h"
#include "nn/fault/everything_visible.h"
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class MaskDroppedInEvaluation final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "attention without its mask wherever no gradient is recorded";
  }
  std::string_view verdict() const override { return "causal-leak"; }
  CausalMask mask(const CausalMask& healthy, std::int64_t) const override {
    return grad_enabled() ? healthy : everything_visible();
  }
};

const Faults::Add registered{"mask_dropped_in_evaluation",
                             [] { return std::make_unique<MaskDroppedInEvaluation>(); }};

}  // namespace
}  // namespace lookback
