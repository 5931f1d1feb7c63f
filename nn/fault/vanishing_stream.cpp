// The gradient of the stream shrinks from each layer to the one before; its value stays.
#include "nn/fault/fault.h"
#include "nn/fault/scale_gradient.h"

namespace lookback {
namespace {

class VanishingStream final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "each layer hands back a thousandth of the stream's gradient";
  }
  std::string_view verdict() const override { return "vanishing-gradient"; }
  ResidualSum layer_output(std::int64_t, const ResidualSum& healthy) const override {
    return scale_gradient(healthy, 0.001);
  }
};

const Faults::Add registered{"vanishing_stream",
                             [] { return std::make_unique<VanishingStream>(); }};

}  // namespace
}  // namespace lookback
