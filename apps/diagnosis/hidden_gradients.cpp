#include "apps/diagnosis/hidden_gradients.h"

#include <algorithm>

#include "apps/diagnosis/tensor_numbers.h"
#include "apps/train/token_tensors.h"
#include "autograd/gradient.h"
#include "runtime/random.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// The norms of the gradients that reach these tensors, while backward runs.
std::shared_ptr<std::vector<double>> watch(const std::vector<Tensor>& tensors) {
  auto norms = std::make_shared<std::vector<double>>(tensors.size(), 0.0);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!requires_grad(tensors[i])) continue;
    add_hook(tensors[i], [norms, i](const Tensor& gradient) {
      (*norms)[i] = norm_of(gradient);
      return gradient;
    });
  }
  return norms;
}

Tensor random_like(const Tensor& x, std::uint64_t seed) {
  const auto result = empty(x.shape(), x.dtype(), cpu_device);
  RandomStream random(seed, stream_of(RandomUse::diagnosis, 1));
  for (auto& number : result.elements<double>()) number = random.normal();
  return to_device(result, x.device());
}

}  // namespace

HiddenStates hidden_states(const Subject& subject) {
  const auto llama = subject.model(DType::f64);
  const auto [ids, targets] = token_tensors(subject.batch());
  Trace trace;
  auto forward = subject.forward();
  forward.trace = &trace;
  const auto loss = llama->loss(ids, targets, {}, forward);
  const auto norms = watch(trace.hidden_states);
  backward(loss.loss_sum);
  HiddenStates result;
  const auto targets_counted = std::max(1.0, loss.count.item());
  for (std::size_t i = 0; i + 1 < trace.hidden_states.size(); ++i) {
    result.values.push_back(norm_of(trace.hidden_states[i]));
    result.gradients.push_back((*norms)[i] / targets_counted);
  }
  return result;
}

std::vector<double> layer_edges(const Subject& subject) {
  const auto llama = subject.model(DType::f64);
  const auto tokens = std::min<std::int64_t>(subject.block_size, 8);  // enough to have a gradient
  Trace trace;
  auto forward = subject.forward();
  forward.trace = &trace;
  llama->logits(subject.random_ids(1, tokens), forward);
  const auto& hidden = trace.hidden_states;
  const auto norms = watch(hidden);
  std::vector<double> edges;
  for (std::size_t l = 0; l + 1 < hidden.size(); ++l) {
    std::ranges::fill(*norms, 0.0);
    const auto given = random_like(hidden[l + 1], subject.seed);
    if (requires_grad(hidden[l + 1])) backward(hidden[l + 1], given, AfterBackward::retain);
    edges.push_back((*norms)[l] / norm_of(given));
  }
  return edges;
}

}  // namespace lookback
