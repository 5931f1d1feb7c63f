#include "apps/diagnosis/zero_weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/diagnosis/tensor_numbers.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/gradient.h"
#include "kernels/fill.h"
#include "nn/adamw.h"
#include "nn/initialize.h"

namespace lookback {
namespace {

std::set<std::string> without_gradient(const Subject& subject, const Llama& llama) {
  const auto parameters = llama.parameters();
  clear_gradients(parameters);
  accumulate_gradients(llama, {subject.batch()}, subject.forward());
  std::set<std::string> names;
  for (const auto& [name, tensor, initial] : parameters) {
    if (largest_number(gradient(tensor)) == 0) names.insert(name);
  }
  clear_gradients(parameters);
  return names;
}

}  // namespace

ZeroWeights zero_weights(const Subject& subject) {
  const auto llama = subject.model(DType::f64);
  std::vector<NamedParameter> norms, matrices;
  for (const auto& parameter : llama->parameters()) {
    if (largest_number(parameter.tensor) != 0) continue;
    if (parameter.name.ends_with("norm.weight")) norms.push_back(parameter);
    if (parameter.tensor.rank() > 1) matrices.push_back(parameter);
  }
  if (norms.empty() && matrices.empty()) return {};
  const auto before = without_gradient(subject, *llama);
  // One that has no gradient itself is never moved.
  std::erase_if(matrices, [&](const auto& each) { return before.contains(each.name); });
  for (const auto& [name, tensor, initial] : norms)
    kernels::fill(tensor.backend(), {.y = tensor, .value = 1});
  initialize(matrices, subject.config.initializer_range, subject.seed);
  ZeroWeights found;
  found.waiting = before;
  for (const auto& name : without_gradient(subject, *llama)) found.waiting.erase(name);
  for (const auto& each : norms) found.norms.push_back(each.name);
  for (const auto& each : matrices) found.matrices.push_back(each.name);
  return found;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > most ? fmt::format("{} and {} more", text, names.size() - most) : text;
}

}  // namespace lookback
