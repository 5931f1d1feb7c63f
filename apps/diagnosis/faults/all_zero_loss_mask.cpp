// The loss mask of training hides every target.

#include "apps/diagnosis/faults/fault.h"
#include "autograd/grad_mode.h"
#include "kernels/fill.h"

namespace lookback {
namespace {

class AllZeroLossMask final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a loss mask that hides every target of training";
  }
  Verdict verdict() const override { return Verdict::no_valid_targets; }
  Changes changes() const override {
    return {Change::loss, Change::count, Change::step, Change::gradient};
  }
  Tensor targets(const Tensor&, const Tensor& healthy) const override {
    if (!grad_enabled()) return healthy;
    const auto result = empty_like(healthy);
    kernels::fill(result.backend(), {.y = result, .value = -100});
    return result;
  }
};

const AddFault<AllZeroLossMask> registered{"all_zero_loss_mask"};

}  // namespace
}  // namespace lookback
