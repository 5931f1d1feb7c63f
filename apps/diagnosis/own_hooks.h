// The hooks that a model has, a fault's among them, in a forward pass: for a check that changes one
// of them and leaves the others as they are.
#pragma once

#include "nn/layer/model_hooks.h"

namespace lookback {

class OwnHooks : public ModelHooks {
 public:
  explicit OwnHooks(const ModelHooks& own) : own_(own) {}

  CausalMask mask(const CausalMask& mask, std::int64_t tokens) const override {
    return own_.mask(mask, tokens);
  }
  std::int64_t rotary_position(std::int64_t position) const override {
    return own_.rotary_position(position);
  }
  AttentionPath attention_path(AttentionPath path) const override {
    return own_.attention_path(path);
  }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    return own_.attention(pieces, mask);
  }
  MaskedWeights composed(const AttentionPieces& pieces, const HeadMixing& mixing,
                         const CausalMask& mask) const override {
    return own_.composed(pieces, mixing, mask);
  }
  Tensor overlapped(const Tensor& x, const TensorStep& widen,
                    const TensorStep& turn) const override {
    return own_.overlapped(x, widen, turn);
  }
  Tensor latent_norm(const RmsNorm& norm, const Tensor& latent,
                     double rms_norm_eps) const override {
    return own_.latent_norm(norm, latent, rms_norm_eps);
  }
  std::shared_ptr<const AttentionReplay> replay(const AttentionPieces& pieces,
                                                const MaskedWeights& recorded) const override {
    return own_.replay(pieces, recorded);
  }
  Tensor output_again(const AttentionMechanism& attention, const Tensor& normed,
                      const Tensor& attended, const LayerRecord& record) const override {
    return own_.output_again(attention, normed, attended, record);
  }
  Tensor layer_weights(const Tensor& weights) const override { return own_.layer_weights(weights); }
  Tensor input_norm(std::int64_t layer, const RmsNorm& norm, const Tensor& x,
                    const Tensor& normed) const override {
    return own_.input_norm(layer, norm, x, normed);
  }
  ResidualSum layer_output(std::int64_t layer, const ResidualSum& output) const override {
    return own_.layer_output(layer, output);
  }
  Tensor vocabulary_weight(const Tensor& weight) const override {
    return own_.vocabulary_weight(weight);
  }

 protected:
  const ModelHooks& own() const { return own_; }

 private:
  const ModelHooks& own_;
};

}  // namespace lookback
