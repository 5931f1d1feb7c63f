#include "nn/layer/model_hooks.h"

#include "autograd/ops/linear_cross_entropy.h"

namespace lookback {

MaskedWeights ModelHooks::attention(const AttentionPieces& pieces, const CausalMask& mask) const {
  return masked_weights(pieces, mask);
}

MaskedWeights ModelHooks::composed(const AttentionPieces& pieces, const HeadMixing& mixing,
                                   const CausalMask& mask) const {
  return {composed_attention_weights(pieces, mixing, mask), mask};
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
