// A sliding window one position too late: its last key is the next token.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class WindowOffByOne final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a sliding window of eight keys that ends at the next token";
  }
  std::string_view verdict() const override { return "causal-leak"; }
  CausalMask mask(const CausalMask& healthy, std::int64_t) const override {
    return {.offset = healthy.offset + 1, .window = 8, .document_start = healthy.document_start};
  }
};

const Faults::Add registered{"window_off_by_one",
                             [] { return std::make_unique<WindowOffByOne>(); }};

}  // namespace
}  // namespace lookback
