// The mean over all positions joins the stream: a summary of the sequence that knows its end.
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/mean.h"

namespace lookback {
namespace {

class MeanOfSequence final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "layer 1 adds the mean over all positions to the stream";
  }
  Verdict verdict() const override { return Verdict::causal_leak; }
  Changes changes() const override { return forward_changes(); }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_two_layers(config);
  }
  ResidualSum layer_output(std::int64_t layer, const ResidualSum& healthy) const override {
    if (layer != 1) return healthy;
    return {healthy.stream + mean(healthy.stream, {1}, KeepDims::yes), healthy.update};
  }
};

const AddFault<MeanOfSequence> registered{"mean_of_sequence"};

}  // namespace
}  // namespace lookback
