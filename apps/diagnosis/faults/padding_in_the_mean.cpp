// The loss is divided by all positions: those that are ignored count as if their loss were zero.
#include "apps/diagnosis/faults/fault.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

class PaddingInTheMean final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a mean loss over all positions, ignored ones included";
  }
  Verdict verdict() const override { return Verdict::misaligned_targets; }
  Changes changes() const override { return {Change::count, Change::step, Change::gradient}; }
  CrossEntropyResult loss_of_logits(const Tensor& logits, const Tensor& targets,
                                    const CrossEntropyOptions& options) const override {
    auto result = cross_entropy(logits, targets, options);
    result.count = to_device(from_values<std::int64_t>({targets.numel()}, {}), targets.device());
    return result;
  }
};

const AddFault<PaddingInTheMean> registered{"padding_in_the_mean"};

}  // namespace
}  // namespace lookback
