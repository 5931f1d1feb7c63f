// A layer hands on what it adds in place of the stream with it added.
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"

namespace lookback {
namespace {

class CutResidualStream final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "layer 1 hands on its own addition without the stream";
  }
  Verdict verdict() const override { return Verdict::severed_path; }
  Changes changes() const override { return forward_changes(); }
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

const AddFault<CutResidualStream> registered{"cut_residual_stream"};

}  // namespace
}  // namespace lookback
