// The learned layer weights act, but no gradient reaches them.
#include "nn/fault/fault.h"
#include "nn/llama/preset.h"

namespace lookback {
namespace {

class UnregisteredParameter final : public Fault {
 public:
  std::string_view description() const override {
    return "learned layer weights that get no gradient";
  }
  Tensor layer_weights(const Tensor& healthy) const override { return healthy.detach(); }
};

const Faults::Add registered{"unregistered_parameter",
                             [] { return std::make_unique<UnregisteredParameter>(); }};
const PresetRegistration preset{
    "fault-unregistered",
    {.description = "method3.2 whose learned layer weights get no gradient",
     .config = R"({"cross_layer_residual": {"site": "mlp", "source": "recomputed",
                   "weights": "learned", "stream": "add", "include_self": true},
                   "fault": "unregistered_parameter"})"}};

}  // namespace
}  // namespace lookback
