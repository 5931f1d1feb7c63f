// The mean over all positions joins the stream: a summary of the sequence that knows its end.
#include "autograd/ops/binary.h"
#include "autograd/ops/mean.h"
#include "nn/fault/fault.h"
#include "nn/fault/needs.h"

namespace lookback {
namespace {

class MeanOfSequence final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "layer 1 adds the mean over all positions to the stream";
  }
  std::string_view verdict() const override { return "causal-leak"; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_two_layers(config);
  }
  ResidualSum layer_output(std::int64_t layer, const ResidualSum& healthy) const override {
    if (layer != 1) return healthy;
    return {healthy.stream + mean(healthy.stream, {1}, KeepDims::yes), healthy.update};
  }
};

const Faults::Add registered{"mean_of_sequence", [] { return std::make_unique<MeanOfSequence>(); }};

}  // namespace
}  // namespace lookback
