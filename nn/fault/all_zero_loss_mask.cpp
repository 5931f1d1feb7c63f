// The loss mask of training hides every target.

#include "autograd/grad_mode.h"
#include "kernels/fill.h"
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class AllZeroLossMask final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a loss mask that hides every target of training";
  }
  std::string_view verdict() const override { return "no-valid-targets"; }
  Tensor targets(const Tensor&, const Tensor& healthy) const override {
    if (!grad_enabled()) return healthy;
    const auto result = empty_like(healthy);
    kernels::fill(result.backend(), {.y = result, .value = -100});
    return result;
  }
};

const Faults::Add registered{"all_zero_loss_mask",
                             [] { return std::make_unique<AllZeroLossMask>(); }};

}  // namespace
}  // namespace lookback
