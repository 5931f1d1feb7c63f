// Long sequences go to another kernel, which was given no mask.
#include "apps/diagnosis/faults/everything_visible.h"
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class MaskDroppedInLongSequences final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "attention without its mask in sequences of more than sixteen tokens";
  }
  Verdict verdict() const override { return Verdict::causal_leak; }
  Changes changes() const override {
    return forward_changes({Change::short_logits, Change::decoded});
  }
  CausalMask mask(const CausalMask& healthy, std::int64_t tokens) const override {
    return healthy.offset + tokens > 16 ? everything_visible() : healthy;
  }
};

const AddFault<MaskDroppedInLongSequences> registered{"mask_dropped_in_long_sequences"};

}  // namespace
}  // namespace lookback
