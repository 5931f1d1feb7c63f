// When decoding, positions are counted from the first token of the call, not of the sequence.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class RopeStartsOver final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "decoding turns every new token as if it stood at position 0";
  }
  std::string_view verdict() const override { return "cache-mismatch"; }
  std::int64_t rotary_position(std::int64_t) const override { return 0; }
};

const Faults::Add registered{"rope_starts_over", [] { return std::make_unique<RopeStartsOver>(); }};

}  // namespace
}  // namespace lookback
