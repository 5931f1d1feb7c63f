// A layer hands on what it adds in place of the stream with it added.
#include "nn/fault/fault.h"
#include "nn/fault/needs.h"

namespace lookback {
namespace {

class CutResidualStream final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "layer 1 hands on its own addition without the stream";
  }
  std::string_view verdict() const override { return "severed-path"; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    const auto& cross = config.cross_layer_residual;
    const bool cut = cross && cross->stream == CrossLayerResidual::Stream::replace &&
                     cross->site == CrossLayerResidual::Site::mlp;
    return cut ? "a stream that is not replaced already" : without_two_layers(config);
  }
  ResidualSum layer_output(std::int64_t layer, const ResidualSum& healthy) const override {
    return layer == 1 ? ResidualSum{healthy.update, {}} : healthy;
  }
};

const Faults::Add registered{"cut_residual_stream",
                             [] { return std::make_unique<CutResidualStream>(); }};

}  // namespace
}  // namespace lookback
