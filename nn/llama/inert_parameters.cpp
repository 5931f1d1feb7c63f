#include "nn/llama/inert_parameters.h"

#include <algorithm>
#include <vector>

#include "autograd/gradient.h"
#include "autograd/ops/to_vector.h"
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
    clear_gradients(parameters);
    backward(effect, ascending(effect), AfterBackward::retain);  // of one effect for several
    const auto parameter = std::ranges::find(parameters, name, &NamedParameter::name);
    if (is_zero(gradient(parameter->tensor))) names.insert(name);
  }
  clear_gradients(parameters);
  return names;
}

}  // namespace

std::set<std::string> inert_parameters(const Llama& llama) {
  std::vector<std::string> prefixes;
  for (const auto& layer : llama.model.layers) {
    for (const auto& name : layer->inert(llama.config)) prefixes.push_back("model.layers." + name);
  }
  auto names = below(llama, prefixes);
  names.merge(without_effect(llama));
  return names;
}

}  // namespace lookback
