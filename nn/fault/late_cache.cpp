// When decoding, keys and values join the cache after they should have been read: a token does not
// see itself.
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class LateCache final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "decoding reads the cache as it stood one position before";
  }
  std::string_view verdict() const override { return "cache-mismatch"; }
  CausalMask mask(const CausalMask& healthy, std::int64_t) const override {
    auto late = healthy;
    if (late.offset > 0) --late.offset;
    return late;
  }
};

const Faults::Add registered{"late_cache", [] { return std::make_unique<LateCache>(); }};

}  // namespace
}  // namespace lookback
