#include "nn/layer/model_hooks.h"

#include "autograd/ops/linear_cross_entropy.h"
#include "nn/layer/attention_mechanism.h"

namespace lookback {

MaskedWeights ModelHooks::attention(const AttentionPieces& pieces, const CausalMask& mask) const {
  return masked_weights(pieces, mask);
}

MaskedWeights ModelHooks::composed(const AttentionPieces& pieces, const HeadMixing& mixing,
                                   const CausalMask& mask) const {
  return {composed_attention_weights(pieces, mixing, mask), mask};
}

Tensor ModelHooks::output_again(const AttentionMechanism& attention, const Tensor&,
                                const Tensor& attended, const LayerRecord& record) const {
  return attention.output(attended, record);
}

CrossEntropyResult ModelHooks::loss(const Tensor& normed, const Tensor& vocabulary_weight,
                                    const Tensor& targets, Products products,
                                    const CrossEntropyOptions& options) const {
  return linear_cross_entropy(normed, vocabulary_weight, targets, products, options);
}

std::unique_ptr<const ModelHooks> make_hooks(const LlamaConfig& config) {
  if (config.fault.empty()) return std::make_unique<ModelHooks>();
  return FaultHooks::make(config.fault, config);
}

}  // namespace lookback
