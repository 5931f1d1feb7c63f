// When decoding, keys and values join the cache after they should have been read: a token does not
// see itself.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class LateCache final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "decoding reads the cache as it stood one position before";
  }
  Verdict verdict() const override { return Verdict::cache_mismatch; }
  Changes changes() const override { return {Change::decoded}; }
  CausalMask mask(const CausalMask& healthy, std::int64_t) const override {
    auto late = healthy;
    if (late.offset > 0) --late.offset;
    return late;
  }
};

const AddFault<LateCache> registered{"late_cache"};

}  // namespace
}  // namespace lookback
