// Which keys a token sees depends on how long the sequence is: the first rows of a long one are not
// those of a short one.
#include <algorithm>

#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class WindowOfHalfTheSequence final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a window of half as many keys as the pass has tokens";
  }
  Verdict verdict() const override { return Verdict::paths_disagree; }
  Changes changes() const override { return forward_changes(); }
  CausalMask mask(const CausalMask& healthy, std::int64_t tokens) const override {
    auto by_length = healthy;
    by_length.window = std::max<std::int64_t>(tokens / 2, 1);
    return by_length;
  }
};

const AddFault<WindowOfHalfTheSequence> registered{"window_of_half_the_sequence"};

}  // namespace
}  // namespace lookback
