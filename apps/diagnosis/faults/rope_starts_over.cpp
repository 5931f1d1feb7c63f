// When decoding, positions are counted from the first token of the call, not of the sequence.
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class RopeStartsOver final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "decoding turns every new token as if it stood at position 0";
  }
  Verdict verdict() const override { return Verdict::cache_mismatch; }
  Changes changes() const override { return {Change::decoded}; }
  std::int64_t rotary_position(std::int64_t) const override { return 0; }
};

const AddFault<RopeStartsOver> registered{"rope_starts_over"};

}  // namespace
}  // namespace lookback
