// The gradient of the stream grows from each layer to the one before; its value stays.
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/scale_gradient.h"

namespace lookback {
namespace {

class ExplodingStream final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "each layer hands back a thousand times the stream's gradient";
  }
  Verdict verdict() const override { return Verdict::exploding_gradient; }
  Changes changes() const override { return {Change::gradient}; }
  ResidualSum layer_output(std::int64_t, const ResidualSum& healthy) const override {
    return scale_gradient(healthy, 1000);
  }
};

const AddFault<ExplodingStream> registered{"exploding_stream"};

}  // namespace
}  // namespace lookback
