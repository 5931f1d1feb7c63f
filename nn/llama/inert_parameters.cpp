#include "nn/llama/inert_parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
#include "nn/layer/attention_options.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// 1, 2, 3, ...: a gradient that no softmax cancels.
Tensor ascending(const Tensor& x) {
  const auto result = empty(x.shape(), x.dtype(), cpu_device);
  visit_floating(x.dtype(), [&]<class T>(TypeTag<T>) {
    double next = 1;
    for (auto& number : result.elements<T>()) number = static_cast<T>(next++);
  });
  return to_device(result, x.device());
}

bool is_zero(const Tensor& x) {
  return !x.defined() ||
         std::ranges::all_of(to_vector(x), [](double number) { return number == 0; });
}

std::set<std::string> below(const Llama& llama, const std::vector<std::string>& prefixes) {
  std::set<std::string> names;
  for (const auto& parameter : llama.parameters()) {
    for (const auto& prefix : prefixes) {
      if (parameter.name.starts_with(prefix)) names.insert(parameter.name);
    }
  }
  return names;
}

// Those that act through a function which is constant in them: the softmax of a single term, a
// power of one.
std::set<std::string> without_effect(const Llama& llama) {
  const auto parameters = llama.parameters();
  std::set<std::string> names;
  for (const auto& [name, effect] : llama.effective_values()) {
    if (!requires_grad(effect)) continue;  // cut off: it has an effect, and no gradient of it
    clear_gradients(parameters);
    backward(effect, ascending(effect), AfterBackward::retain);  // of one effect for several
    const auto parameter = std::ranges::find(parameters, name, &NamedParameter::name);
    if (is_zero(gradient(parameter->tensor))) names.insert(name);
  }
  clear_gradients(parameters);
  return names;
}

// Whether each query of the layer sees its own key alone.
bool sees_one_key(const LlamaConfig& config, std::int64_t layer) {
  const auto options = attention_of(config, layer);
  const PatternSite site{.layer = layer, .heads = config.num_attention_heads, .end = 1};
  const auto mask = with_pattern({}, options->pattern, site);
  return mask.window == 1 && !mask.pattern.present();
}

// What queries and keys alone are made of: a softmax over one score does not see it.
const std::vector<std::string> of_scores_alone{"q_proj.",
                                               "k_proj.",
                                               "q_a_proj.",
                                               "q_a_layernorm.",
                                               "q_b_proj.",
                                               "q_norm.",
                                               "k_norm.",
                                               "q_ln.",
                                               "k_ln.",
                                               "mixing",
                                               "content_bias.",
                                               "experts.input_linear.",
                                               "dyn_w_proj.pre_proj."};

}  // namespace

std::set<std::string> inert_parameters(const Llama& llama) {
  std::vector<std::string> prefixes;
  for (const auto& layer : llama.model.layers) {
    for (const auto& name : layer->inert(llama.config)) prefixes.push_back("model.layers." + name);
  }
  for (std::int64_t layer = 0; layer < llama.config.num_hidden_layers; ++layer) {
    if (!sees_one_key(llama.config, layer)) continue;
    for (const auto& part : of_scores_alone) {
      prefixes.push_back(fmt::format("model.layers.{}.self_attn.{}", layer, part));
    }
  }
  auto names = below(llama, prefixes);
  names.merge(without_effect(llama));
  return names;
}

}  // namespace lookback
