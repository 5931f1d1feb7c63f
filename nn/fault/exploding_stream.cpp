// The gradient of the stream grows from each layer to the one before; its value stays.
#include "nn/fault/fault.h"
#include "nn/fault/scale_gradient.h"

namespace lookback {
namespace {

class ExplodingStream final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "each layer hands back a thousand times the stream's gradient";
  }
  std::string_view verdict() const override { return "exploding-gradient"; }
  ResidualSum layer_output(std::int64_t, const ResidualSum& healthy) const override {
    return scale_gradient(healthy, 1000);
  }
};

const Faults::Add registered{"exploding_stream",
                             [] { return std::make_unique<ExplodingStream>(); }};

}  // namespace
}  // namespace lookback
