// A sliding window one position too late: its last key is the next token.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class WindowOffByOne final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a sliding window of eight keys that ends at the next token";
  }
  Verdict verdict() const override { return Verdict::causal_leak; }
  Changes changes() const override { return forward_changes(); }
  CausalMask mask(const CausalMask& healthy, std::int64_t) const override {
    return {.offset = healthy.offset + 1, .window = 8, .document_start = healthy.document_start};
  }
};

const AddFault<WindowOffByOne> registered{"window_off_by_one"};

}  // namespace
}  // namespace lookback
