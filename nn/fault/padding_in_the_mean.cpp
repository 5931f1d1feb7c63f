// The loss is divided by all positions: those that are ignored count as if their loss were zero.
#include "nn/fault/fault.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

class PaddingInTheMean final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a mean loss over all positions, ignored ones included";
  }
  std::string_view verdict() const override { return "misaligned-targets"; }
  CrossEntropyResult loss(const Tensor& logits, const Tensor& targets,
                          const CrossEntropyOptions& options) const override {
    auto result = cross_entropy(logits, targets, options);
    result.count = to_device(from_values<std::int64_t>({targets.numel()}, {}), targets.device());
    return result;
  }
};

const Faults::Add registered{"padding_in_the_mean",
                             [] { return std::make_unique<PaddingInTheMean>(); }};

}  // namespace
}  // namespace lookback
