// The Llama (Touvron et al. 2023), as Hugging Face's LlamaForCausalLM: embedding, decoder layers,
// final norm, and the projection to the vocabulary, tied to the embedding or not.
#pragma once

#include <memory>
#include <vector>

#include "autograd/ops/cross_entropy.h"
#include "nn/embedding.h"
#include "nn/layer/decoder_layer.h"
#include "nn/layer/model_hooks.h"

namespace lookback {

struct ModelOutput {
  Tensor normed;  // of the last layer, normalized, [B, T, D]
  // []: the mean over the layers that have one; undefined where none has, and with a cache.
  Tensor auxiliary_loss;
};

// Everything below the projection to the vocabulary.
class LlamaModel final : public Module {
 public:
  LlamaModel(ChildOf place, const LlamaConfig& config, Precision precision);
  // ids i64 [B, T]
  ModelOutput run(const Tensor& ids, const ForwardOptions& options) const;
  Tensor forward(const Tensor& ids, const ForwardOptions& options) const {
    return run(ids, options).normed;
  }

  // Those that the config names, or that change nothing.
  const ModelHooks& hooks() const { return *own_hooks_; }
  // Those of a pass with these options.
  const ModelHooks& hooks(const ForwardOptions& options) const {
    return options.hooks == nullptr ? *own_hooks_ : *options.hooks;
  }

  Embedding embed_tokens;
  std::vector<std::unique_ptr<DecoderLayer>> layers;
  RmsNorm norm;

 private:
  std::vector<std::unique_ptr<DecoderLayer>> make_layers(const LlamaConfig& llama_config,
                                                         Precision model_precision);
  ForwardPass begin_pass(const Tensor& ids, const ForwardOptions& options) const;

  LlamaConfig config_;
  Precision precision_;
  std::unique_ptr<const ModelHooks> own_hooks_;
  RotaryTables rotary_;
};

// The cross entropy, and what the routers of a mixture add to it where gradients are made of it.
struct LlamaLoss : CrossEntropyResult {
  Tensor auxiliary;  // as in ModelOutput
};
// loss + weight * the auxiliary loss, where there is one.
Tensor with_auxiliary(const Tensor& loss, const LlamaLoss& parts, double weight = 1);

class Llama final : public Module {
 public:
  // Fresh memory: initialize() or load_parameters() gives it values.
  Llama(const LlamaConfig& config, Precision precision);

  // ids [B, T] -> [B, T, V]
  Tensor logits(const Tensor& ids, const ForwardOptions& options = {}) const;
  // ids [B, T] -> [B, V], the last position's alone.
  Tensor last_logits(const Tensor& ids, const ForwardOptions& options) const;
  // Cross entropy of targets i64 [B, T]; the logits are never held whole.
  LlamaLoss loss(const Tensor& ids, const Tensor& targets,
                 const CrossEntropyOptions& loss_options = {},
                 const ForwardOptions& options = {}) const;

  const LlamaConfig config;
  const Precision precision;
  LlamaModel model;

 private:
  Tensor vocabulary_weight(const ForwardOptions& options) const;

  std::unique_ptr<Linear> lm_head_;  // null: tied to the embedding
};

// The targets of whole sequences: the next token of each position, and -100 at the last, [B, T].
Tensor next_token_targets(const Tensor& ids);

}  // namespace lookback
