// The places at which a model and its training can be asked to do something else: a known mistake
// made on purpose, a layer left out, an output put in another's place. Each takes the value that
// the model is about to use and returns the one it shall use. ModelHooks itself changes nothing;
// a class that derives from it changes what it overrides.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "autograd/ops/composed_attention.h"
#include "autograd/ops/cross_entropy.h"
#include "nn/layer/config.h"
#include "nn/layer/recorded_attention.h"
#include "nn/module.h"
#include "nn/precision.h"
#include "nn/residual_sum.h"
#include "nn/rms_norm.h"
#include "runtime/registry.h"

namespace lookback {

class AttentionMechanism;

// A step of a computation on one tensor.
using TensorStep = std::function<Tensor(const Tensor&)>;

class ModelHooks {
 public:
  static constexpr std::string_view family = "fault";
  virtual ~ModelHooks() = default;

  // The mask of a whole pass over so many tokens.
  virtual CausalMask mask(const CausalMask& mask, std::int64_t) const { return mask; }
  // The position of a pass's first token in its rotary embedding.
  virtual std::int64_t rotary_position(std::int64_t position) const { return position; }
  // What a layer's cache keeps.
  virtual CacheReach cache_reach(const CacheReach& reach) const { return reach; }
  // The path that attention takes. attention() and replay() below are asked on the explicit one
  // alone.
  virtual AttentionPath attention_path(AttentionPath path) const { return path; }
  // The weights of a layer's attention.
  virtual MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const;
  // The same of a layer whose heads are composed.
  virtual MaskedWeights composed(const AttentionPieces& pieces, const HeadMixing& mixing,
                                 const CausalMask& mask) const;
  // The queries or keys of heads that overlap: `widen` gives each its neighbors' columns, `turn`
  // turns by rotary positions.
  virtual Tensor overlapped(const Tensor& x, const TensorStep& widen,
                            const TensorStep& turn) const {
    return turn(widen(x));
  }
  // The norm of a latent; rms_norm_eps: that of the model's other norms.
  virtual Tensor latent_norm(const RmsNorm& norm, const Tensor& latent, double) const {
    return norm.forward(latent);
  }
  // What later layers apply when they run that layer again.
  virtual std::shared_ptr<const AttentionReplay> replay(const AttentionPieces&,
                                                        const MaskedWeights& recorded) const {
    return kept_weights(recorded);
  }
  // What an earlier layer's attention gives when it runs again on another input, `normed`
  // [B, T, D], by what its recorded weights made of that [B, T, H, w] and by its own run's record.
  virtual Tensor output_again(const AttentionMechanism& attention, const Tensor& normed,
                              const Tensor& attended, const LayerRecord& record) const;
  // The weights over earlier layers, [m], of a residual scheme.
  virtual Tensor layer_weights(const Tensor& weights) const { return weights; }
  // The output of a layer's input norm for x, [B, T, D].
  virtual Tensor input_norm(std::int64_t, const RmsNorm&, const Tensor&,
                            const Tensor& normed) const {
    return normed;
  }
  // The stream that a layer leaves.
  virtual ResidualSum layer_output(std::int64_t, const ResidualSum& output) const { return output; }
  // The weight that the logits are made with, [V, D].
  virtual Tensor vocabulary_weight(const Tensor& weight) const { return weight; }
  // The targets [B, T] of the loss over ids [B, T].
  virtual Tensor targets(const Tensor&, const Tensor& targets) const { return targets; }
  // The cross entropy of the final norm's output [B, T, D].
  virtual CrossEntropyResult loss(const Tensor& normed, const Tensor& vocabulary_weight,
                                  const Tensor& targets, Products products,
                                  const CrossEntropyOptions& options) const;

  // What the routers add to a loss, of a pass that keeps what backward needs of its layers, or not.
  virtual Tensor auxiliary_loss(const Tensor& loss, Activations) const { return loss; }
  // A micro-batch's summed loss, by its targets and the mean over the micro-batches of a step.
  virtual Tensor micro_batch_loss(const Tensor& loss_sum, double, double) const { return loss_sum; }
  // The number of targets that a loss was taken against, `scored` of which the batch names.
  virtual std::int64_t targets_counted(std::int64_t scored, const CrossEntropyResult&) const {
    return scored;
  }
  // Called after the backward passes of a step, before the gradients are read.
  virtual void after_backward(const std::vector<NamedParameter>&) const {}
  // The parameters that the optimizer is given.
  virtual std::vector<NamedParameter> optimized(std::vector<NamedParameter> all) const {
    return all;
  }
  virtual double learning_rate(double rate) const { return rate; }
  // Whether a step reads no result on the host, and can so be captured and launched again.
  virtual bool capturable() const { return true; }
};

// Hooks that config.json can name (its key `fault`). The library brings none along.
using FaultHooks = Registry<ModelHooks, LlamaConfig>;

// Those that the config names; ModelHooks where it names none.
std::unique_ptr<const ModelHooks> make_hooks(const LlamaConfig& config);

}  // namespace lookback
