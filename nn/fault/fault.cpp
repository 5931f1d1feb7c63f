#include "nn/fault/fault.h"

#include "autograd/ops/attention_weights.h"

namespace lookback {

std::string_view FaultInjection::missing_in(const LlamaConfig&) const { return {}; }

CausalMask FaultInjection::mask(const CausalMask& healthy, std::int64_t) const { return healthy; }

MaskedWeights FaultInjection::attention(const AttentionPieces& pieces,
                                        const CausalMask& mask) const {
  return {attention_weights(pieces, mask), mask};
}

MaskedWeights FaultInjection::attention_again(const AttentionPieces&,
                                              const MaskedWeights& recorded) const {
  return recorded;
}

Tensor FaultInjection::input_norm(std::int64_t, const RmsNorm&, const Tensor&,
                                  const Tensor& healthy) const {
  return healthy;
}

ResidualSum FaultInjection::layer_output(std::int64_t, const ResidualSum& healthy) const {
  return healthy;
}

Tensor FaultInjection::targets(const Tensor&, const Tensor& healthy) const { return healthy; }

CrossEntropyResult FaultInjection::loss(const Tensor& logits, const Tensor& targets,
                                        const CrossEntropyOptions& options) const {
  return cross_entropy(logits, targets, options);
}

double FaultInjection::micro_batch_factor(double, double) const { return 1; }

std::vector<NamedParameter> FaultInjection::optimised(std::vector<NamedParameter> all) const {
  return all;
}

std::unique_ptr<const FaultInjection> make_fault(const LlamaConfig& config) {
  if (config.fault.empty()) return nullptr;
  auto fault = Faults::make(config.fault);
  const auto missing = fault->missing_in(config);
  if (!missing.empty()) {
    fail(FaultInjection::family, "{} cannot be made in this model: it needs {}", config.fault,
         missing);
  }
  return fault;
}

DataChoice data_of(const LlamaConfig& config, const DataChoice& given) {
  const auto fault = make_fault(config);
  return fault == nullptr ? given : fault->data(given);
}

}  // namespace lookback
