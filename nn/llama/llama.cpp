#include "nn/llama/llama.h"

#include <fmt/format.h>

#include "autograd/grad_mode.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/slice.h"
#include "nn/layer/checkpointed_layer.h"
#include "runtime/transfer.h"

namespace lookback {

namespace {

Tensor mean_auxiliary_loss(const std::vector<LayerRecord>& records) {
  Tensor sum;
  std::int64_t layers = 0;
  for (const auto& record : records) {
    const auto& loss = record.auxiliary_loss;
    if (!loss.defined()) continue;
    sum = sum.defined() ? sum + loss : loss;
    ++layers;
  }
  return layers > 1 ? sum * (1.0 / static_cast<double>(layers)) : sum;
}

}  // namespace

LlamaModel::LlamaModel(ChildOf place, const LlamaConfig& config, Precision precision)
    : Module(std::move(place)),
      embed_tokens({*this, "embed_tokens"}, config.vocab_size, config.hidden_size, precision),
      layers(make_layers(config, precision)),
      norm({*this, "norm"}, config.hidden_size, config.rms_norm_eps, precision),
      config_(config),
      precision_(precision),
      own_hooks_(make_hooks(config)),
      rotary_(config, precision.storage) {}

std::vector<std::unique_ptr<DecoderLayer>> LlamaModel::make_layers(const LlamaConfig& llama_config,
                                                                   Precision model_precision) {
  std::vector<std::unique_ptr<DecoderLayer>> all;
  for (std::int64_t i = 0; i < llama_config.num_hidden_layers; ++i) {
    all.push_back(std::make_unique<DecoderLayer>(ChildOf{*this, fmt::format("layers.{}", i)},
                                                 llama_config, i, model_precision));
  }
  return all;
}

ForwardPass LlamaModel::begin_pass(const Tensor& ids, const ForwardOptions& options) const {
  const Check check{"llama"};
  check(ids.rank() == 2 && ids.dtype() == DType::i64, "ids {} {} must be int64 (batch, tokens)",
        ids.dtype(), ids.shape());
  ForwardPass pass;
  pass.options = options;
  pass.position = options.cache == nullptr ? 0 : options.cache->length();
  const auto end = pass.position + ids.size(1);
  check(end <= config_.max_position_embeddings,
        "a sequence of {} tokens is longer than max_position_embeddings={}", end,
        config_.max_position_embeddings);
  pass.hooks = &hooks(options);
  pass.options.attention = pass.hooks->attention_path(options.attention);
  pass.mask = pass.hooks->mask({.offset = pass.position}, ids.size(1));
  pass.end = end;
  pass.rotary = &rotary_;
  for (const auto& layer : layers) pass.needs = pass.needs | layer->needs();
  // What is decoded token by token is not trained on.
  if (options.cache != nullptr) pass.needs.auxiliary_loss = false;
  return pass;
}

ModelOutput LlamaModel::run(const Tensor& ids, const ForwardOptions& options) const {
  const auto scope = enter();
  auto pass = begin_pass(ids, options);
  ResidualSum x{embed_tokens.forward(ids), {}};
  const bool checkpointing = options.activations == Activations::recomputed && grad_enabled() &&
                             options.trace == nullptr && options.cache == nullptr;
  for (const auto& layer : layers) {
    x = checkpointing ? checkpointed_layer(*layer, x, pass) : layer->forward(x, pass);
  }
  const auto [last, normed] = norm.forward(x);
  if (options.trace != nullptr) options.trace->hidden_states.push_back(last);
  if (options.cache != nullptr) options.cache->advance(ids.size(1));
  const auto auxiliary = mean_auxiliary_loss(pass.records);
  const auto kept = checkpointing ? Activations::recomputed : Activations::kept;
  return {normed, auxiliary.defined() ? pass.hooks->auxiliary_loss(auxiliary, kept) : auxiliary};
}

Tensor with_auxiliary(const Tensor& loss, const LlamaLoss& parts, double weight) {
  return parts.auxiliary.defined() ? loss + parts.auxiliary * weight : loss;
}

Llama::Llama(const LlamaConfig& llama_config, Precision model_precision)
    : Module(RootModule{}),
      config(llama_config),
      precision(model_precision),
      model({*this, "model"}, config, precision) {
  if (config.tie_word_embeddings) return;
  lm_head_ = std::make_unique<Linear>(ChildOf{*this, "lm_head"}, config.hidden_size,
                                      config.vocab_size, Bias::none, precision);
}

Tensor Llama::vocabulary_weight(const ForwardOptions& options) const {
  const auto& weight = lm_head_ ? lm_head_->weight : model.embed_tokens.weight;
  return model.hooks(options).vocabulary_weight(weight);
}

Tensor Llama::logits(const Tensor& ids, const ForwardOptions& options) const {
  const auto normed = model.forward(ids, options);
  const Scope scope("lm_head");
  return linear(normed, vocabulary_weight(options), {}, precision.products);
}

Tensor Llama::last_logits(const Tensor& ids, const ForwardOptions& options) const {
  const auto normed = model.forward(ids, options);
  const auto tokens = ids.size(1);
  const Scope scope("lm_head");
  const auto last =
      reshape(slice(normed, 1, tokens - 1, tokens), {ids.size(0), config.hidden_size});
  return linear(last, vocabulary_weight(options), {}, precision.products);
}

LlamaLoss Llama::loss(const Tensor& ids, const Tensor& targets,
                      const CrossEntropyOptions& loss_options,
                      const ForwardOptions& options) const {
  const auto& hooks = model.hooks(options);
  const auto [normed, auxiliary] = model.run(ids, options);
  const Scope scope("lm_head");
  return {hooks.loss(normed, vocabulary_weight(options), hooks.targets(ids, targets),
                     precision.products, loss_options),
          auxiliary};
}

Tensor next_token_targets(const Tensor& ids) {
  const auto tokens = ids.size(1);
  const auto targets = empty(ids.shape(), ids.dtype(), cpu_device);
  const auto here = on_host(ids);
  const auto* from = here.data<std::int64_t>();
  auto* to = targets.data<std::int64_t>();
  for (std::int64_t i = 0; i < ids.numel(); ++i) to[i] = (i + 1) % tokens == 0 ? -100 : from[i + 1];
  return to_device(targets, ids.device());
}

}  // namespace lookback
