// Attention without its mask, in every layer.
#include "apps/diagnosis/faults/everything_visible.h"
#include "apps/diagnosis/faults/fault.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class Unmasked final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "attention without its mask, in every layer";
  }
  Verdict verdict() const override { return Verdict::causal_leak; }
  Changes changes() const override { return forward_changes({Change::decoded}); }
  CausalMask mask(const CausalMask&, std::int64_t) const override { return everything_visible(); }
};

const AddFault<Unmasked> registered{"unmasked"};
const RegisteredPresets::Add preset{
    "fault-unmasked",
    {.description = "attention without its mask", .config = R"({"fault": "unmasked"})"}};

}  // namespace
}  // namespace lookback
