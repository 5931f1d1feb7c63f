// Long sequences go to another kernel, which was given no mask.
#include "nn/fault/everything_visible.h"
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class MaskDroppedInLongSequences final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "attention without its mask in sequences of more than sixteen tokens";
  }
  std::string_view verdict() const override { return "causal-leak"; }
  CausalMask mask(const CausalMask& healthy, std::int64_t tokens) const override {
    return healthy.offset + tokens > 16 ? everything_visible() : healthy;
  }
};

const Faults::Add registered{"mask_dropped_in_long_sequences",
                             [] { return std::make_unique<MaskDroppedInLongSequences>(); }};

}  // namespace
}  // namespace lookback
