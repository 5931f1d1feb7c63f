#include "nn/llama/llama.h"

#include <fmt/format.h>

#include "autograd/grad_mode.h"
#include "autograd/ops/linear_cross_entropy.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/slice.h"
#include "nn/layer/checkpointed_layer.h"

#include "runtime/transfer.h"

namespace lookback {

LlamaModel::LlamaModel(const LlamaConfig& llama_config, Precision model_precision)
    : embed_tokens(llama_config.vocab_size, llama_config.hidden_size, model_precision),
      norm(llama_config.hidden_size, llama_config.rms_norm_eps, model_precision),
      config(llama_config),
      precision(model_precision) {
  register_module("embed_tokens", embed_tokens);
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    layers.push_back(std::make_unique<DecoderLayer>(config, layer, precision));
    register_module(fmt::format("layers.{}", layer), *layers.back());
  }
  register_module("norm", norm);
  injected = make_fault(config);
}

const RopeTables& LlamaModel::rope_for(std::int64_t positions) const {
  const auto have = tables.cos.defined() ? tables.cos.size(0) : 0;
  if (have < positions) {
    const auto wanted = std::min(std::max(positions, 2 * have), config.max_position_embeddings);
    tables = rope_tables(wanted, config.head_dim, config.rope_theta, config.rope_scaling,
                         precision.storage);
  }
  return tables;
}

ForwardPass LlamaModel::begin_pass(const Tensor& ids, const ForwardOptions& options) const {
  const Check check{"llama"};
  check(ids.rank() == 2 && ids.dtype() == DType::i64, "ids {} {} must be int64 (batch, tokens)",
        ids.dtype(), ids.shape());
  ForwardPass pass;
  pass.options = options;
  pass.position = options.cache == nullptr ? 0 : options.cache->length();
  const auto end = pass.position + ids.size(1);
  check(end <= config.max_position_embeddings,
        "a sequence of {} tokens is longer than max_position_embeddings={}", end,
        config.max_position_embeddings);
  pass.mask = {.offset = pass.position};
  if (injected != nullptr) {
    pass.fault = injected.get();
    pass.options.attention = AttentionPath::explicit_weights;
    pass.mask = injected->mask(pass.mask, ids.size(1));
  }
  pass.rope = rope_for(end);
  for (const auto& layer : layers) pass.needs = pass.needs | layer->needs();
  return pass;
}

Tensor LlamaModel::forward(const Tensor& ids, const ForwardOptions& options) const {
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
  return normed;
}

Tensor LlamaModel::targets_of(const Tensor& ids, const Tensor& targets) const {
  return injected == nullptr ? targets : injected->targets(ids, targets);
}

Llama::Llama(const LlamaConfig& llama_config, Precision model_precision)
    : config(llama_config), precision(model_precision), model(config, precision) {
  register_module("model", model);
  if (config.tie_word_embeddings) return;
  lm_head = std::make_unique<Linear>(config.hidden_size, config.vocab_size, Bias::none, precision);
  register_module("lm_head", *lm_head);
}

Tensor Llama::vocabulary_weight() const {
  const auto& weight = lm_head ? lm_head->weight : model.embed_tokens.weight;
  return model.fault() == nullptr ? weight : model.fault()->vocabulary_weight(weight);
}

Tensor Llama::logits(const Tensor& ids, const ForwardOptions& options) const {
  const auto normed = model.forward(ids, options);
  const Scope scope("lm_head");
  return linear(normed, vocabulary_weight(), {}, precision.products);
}

Tensor Llama::last_logits(const Tensor& ids, const ForwardOptions& options) const {
  const auto normed = model.forward(ids, options);
  const auto tokens = ids.size(1);
  const Scope scope("lm_head");
  const auto last =
      reshape(slice(normed, 1, tokens - 1, tokens), {ids.size(0), config.hidden_size});
  return linear(last, vocabulary_weight(), {}, precision.products);
}

CrossEntropyResult Llama::loss(const Tensor& ids, const Tensor& targets,
                               const CrossEntropyOptions& loss_options,
                               const ForwardOptions& options) const {
  const auto all_targets = model.targets_of(ids, targets);
  if (const auto* fault = model.fault()) {
    return fault->loss(logits(ids, options), all_targets, loss_options);
  }
  const auto normed = model.forward(ids, options);
  const Scope scope("lm_head");
  return linear_cross_entropy(normed, vocabulary_weight(), all_targets, precision.products,
                              loss_options);
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
