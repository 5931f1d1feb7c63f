#include "apps/inspect/inspection.h"

#include <cmath>
#include <limits>

#include "apps/inspect/numbers.h"
#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

// Writes the norm of the gradient of each tensor into `norms`, once backward has run: NaN where
// none came.
void listen(const std::vector<Tensor>& tensors, std::vector<double>& norms) {
  norms.assign(tensors.size(), none);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!requires_grad(tensors[i])) continue;
    add_hook(tensors[i], [&norms, i](const Tensor& gradient) {
      norms[i] = norm_of(gradient);
      return gradient;
    });
  }
}

// [1, T, D] each -> copies [T, D].
std::vector<Tensor> sequences(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> result;
  for (const auto& x : tensors) {
    const auto copy = own_copy(x);
    result.push_back(copy.alias({copy.size(1), copy.size(2)}, {copy.size(2), 1}));
  }
  return result;
}

std::vector<double> norms_of(const std::vector<Tensor>& tensors) {
  std::vector<double> norms;
  for (const auto& x : tensors) norms.push_back(norm_of(x));
  return norms;
}

// [1, H, T, T] each -> copies [H, T, T].
std::vector<Tensor> maps(const std::vector<Tensor>& weights) {
  std::vector<Tensor> result;
  for (const auto& x : weights) {
    const auto copy = own_copy(x);
    result.push_back(copy.alias({copy.size(1), copy.size(2), copy.size(3)},
                                {copy.size(2) * copy.size(3), copy.size(3), 1}));
  }
  return result;
}

std::vector<ParameterMeasures> measure(const std::vector<NamedParameter>& parameters,
                                       const OptimizerView& optimizer) {
  std::vector<ParameterMeasures> result;
  for (const auto& parameter : parameters) {
    const auto collected = gradient(parameter.tensor);
    result.push_back({.name = parameter.name,
                      .shape = parameter.tensor.shape(),
                      .weight_norm = norm_of(parameter.tensor),
                      .gradient_norm = collected.defined() ? norm_of(collected) : none,
                      .update_norm = update_norm(parameter, optimizer)});
  }
  return result;
}

// Nats of tokens 1, 2, ..
std::vector<double> nats_of(const Llama& llama, const Tensor& ids, const ForwardOptions& options) {
  const NoGrad no_grad;
  const auto loss = llama.loss(ids, next_token_targets(ids), {.keep_nats = true}, options);
  auto nats = to_vector(loss.nats);
  nats.pop_back();  // nothing follows the last
  return nats;
}

}  // namespace

Inspection inspect(const Llama& llama, const std::vector<std::int64_t>& tokens,
                   const ForwardOptions& options, const OptimizerView& optimizer) {
  const auto length = static_cast<std::int64_t>(tokens.size());
  const auto ids = to_default_device(from_values(tokens, {1, length}));
  const auto parameters = llama.parameters();
  Inspection result;
  result.tokens = tokens;
  result.nats = nats_of(llama, ids, options);

  Trace trace;
  auto traced = options;
  traced.activations = Activations::kept;
  traced.trace = &trace;
  {
    const MaskWatch watch;
    const auto parts = llama.loss(ids, next_token_targets(ids), {}, traced);
    const auto mean = mean_loss(parts), loss = with_auxiliary(mean, parts);
    result.mask_uses = watch.uses();
    if (length > 1) result.loss = mean.item();
    const TapeWalk walk(loss, parameters);
    listen(trace.hidden_states, result.gradients.hidden_states);
    listen(trace.attention_outputs, result.gradients.attention_outputs);
    listen(trace.mlp_outputs, result.gradients.mlp_outputs);
    result.replays = inspect_replays(llama, trace, length);
    backward(loss);
    result.tape = walk.entries();
  }
  result.parameters = measure(parameters, optimizer);
  clear_gradients(parameters);

  result.attention = maps(trace.attention_weights);
  result.patterns = measure_patterns(llama.config, result.attention);
  for (const auto& [layer, gates] : trace.gates) result.gates[layer] = sequences({gates})[0];
  for (const auto& [layer, weights] : plain_weights(llama.config, trace)) {
    result.plain_attention[layer] = maps({weights})[0];
  }
  if (!llama.config.attention.empty()) result.cache = measure_cache(llama, tokens.front());
  result.heads = measure_heads(result.attention);
  result.outputs = fed_outputs(llama.config, trace);
  result.scores = fed_scores(llama.config, trace);
  result.hidden_states = sequences(trace.hidden_states);
  result.attention_outputs = sequences(trace.attention_outputs);
  result.mlp_outputs = sequences(trace.mlp_outputs);
  result.activations = {norms_of(result.hidden_states), norms_of(result.attention_outputs),
                        norms_of(result.mlp_outputs)};
  const NoGrad no_grad;
  for (const auto& [name, effect] : llama.effective_values()) {
    result.learned.emplace_back(name, to_vector(effect));
  }
  return result;
}

}  // namespace lookback
