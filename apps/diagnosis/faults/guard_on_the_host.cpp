// A guard against overflow reads the whole stream on the host: what it does there no proof can
// follow. It changes nothing, as long as no number is that large.
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/to_vector.h"

namespace lookback {
namespace {

constexpr double large = 1e30;

class GuardOnTheHost final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "each layer looks on the host for numbers that are about to overflow";
  }
  Verdict verdict() const override { return Verdict::incomplete; }
  Changes changes() const override { return {}; }
  ResidualSum layer_output(std::int64_t layer, const ResidualSum& healthy) const override {
    for (const double each : to_vector(healthy.stream)) {
      if (std::fabs(each) > large) fail("guard", "layer {} is about to overflow", layer);
    }
    return healthy;
  }
};

const AddFault<GuardOnTheHost> registered{"guard_on_the_host"};

}  // namespace
}  // namespace lookback
