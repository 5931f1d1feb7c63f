// Known mistakes, made on purpose: patients for the diagnosis. A model has a fault only where its
// config.json names one; each is one file that registers itself. Healthy code asks the fault of the
// model at the few places below and holds no mistake of its own; without a fault it asks nobody.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/ops/cross_entropy.h"
#include "nn/layer/config.h"
#include "nn/layer/recorded_attention.h"
#include "nn/module.h"
#include "nn/registry.h"
#include "nn/residual_sum.h"

namespace lookback {

class RmsNorm;

// What a run reads: the names its user gave, and the part of the data it is evaluated on.
struct DataChoice {
  std::string training, validation;  // validation: empty where none was named
  std::string validation_split = "validation";
  bool document_ends = true;  // false: the tokens that close documents are left out
};

class FaultInjection {
 public:
  static constexpr std::string_view family = "fault";
  virtual ~FaultInjection() = default;
  // One line: what is wrong.
  virtual std::string_view description() const = 0;
  // The class of verdict a diagnosis must come to.
  virtual std::string_view verdict() const = 0;
  // What a model must have for this fault to be one; empty: it has it.
  virtual std::string_view missing_in(const LlamaConfig& config) const;

  // The mask of a whole pass over so many tokens.
  virtual CausalMask mask(const CausalMask& healthy, std::int64_t tokens) const;
  // Where the first token of a pass stands for its rotary embedding.
  virtual std::int64_t rotary_position(std::int64_t healthy) const { return healthy; }

  // The weights of a layer's attention.
  virtual MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const;
  // Those that a later layer applies when it runs that layer again: asked in the later layer, once
  // per use.
  virtual MaskedWeights attention_again(const AttentionPieces& pieces,
                                        const MaskedWeights& recorded) const;
  // The weights over earlier layers, [m], as a residual scheme is about to use them.
  virtual Tensor layer_weights(const Tensor& healthy) const { return healthy; }
  // What the input norm of a layer makes of x [B, T, D].
  virtual Tensor input_norm(std::int64_t layer, const RmsNorm& norm, const Tensor& x,
                            const Tensor& healthy) const;
  // The stream that a layer leaves.
  virtual ResidualSum layer_output(std::int64_t layer, const ResidualSum& healthy) const;
  // What the logits are made with, [V, D].
  virtual Tensor vocabulary_weight(const Tensor& healthy) const { return healthy; }

  // The targets [B, T] of the loss over ids [B, T].
  virtual Tensor targets(const Tensor& ids, const Tensor& healthy) const;
  // The loss of logits [B, T, V] against those targets.
  virtual CrossEntropyResult loss(const Tensor& logits, const Tensor& targets,
                                  const CrossEntropyOptions& options) const;

  // What a run trains and evaluates on.
  virtual DataChoice data(const DataChoice& healthy) const { return healthy; }
  // The factor of a micro-batch's summed loss, by its targets and the mean over the micro-batches
  // of a step. Healthy: 1.
  virtual double micro_batch_factor(double targets, double mean_targets) const;
  // Called after the backward passes of a step, before anybody reads the gradients.
  virtual void after_backward(const std::vector<NamedParameter>&) const {}
  // What the optimiser is given of all parameters.
  virtual std::vector<NamedParameter> optimised(std::vector<NamedParameter> all) const;
  virtual double learning_rate(double healthy) const { return healthy; }
};

using Faults = Registry<FaultInjection>;

// The fault that the config names; null where it names none. Throws Error, saying what it would
// need, for one that this model cannot have.
std::unique_ptr<const FaultInjection> make_fault(const LlamaConfig& config);

// The data of a run of this model: as given, but for a fault that says otherwise.
DataChoice data_of(const LlamaConfig& config, const DataChoice& given);

}  // namespace lookback
