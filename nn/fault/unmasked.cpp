// Attention without its mask, in every layer.
#include "nn/fault/everything_visible.h"
#include "nn/fault/fault.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class Unmasked final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "attention without its mask, in every layer";
  }
  std::string_view verdict() const override { return "causal-leak"; }
  CausalMask mask(const CausalMask&, std::int64_t) const override { return everything_visible(); }
};

const Faults::Add registered{"unmasked", [] { return std::make_unique<Unmasked>(); }};
const PresetRegistration preset{
    "fault-unmasked",
    {.description = "attention without its mask", .config = R"({"fault": "unmasked"})"}};

}  // namespace
}  // namespace lookback
