#include "nn/adamw.h"

#include <algorithm>
#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/contiguous.h"
#include "autograd/rounded_weights.h"
#include "autograd/workspace.h"
#include "kernels/adamw.h"
#include "kernels/global_norm.h"
#include "runtime/transfer.h"

namespace lookback {

AdamW::AdamW(std::vector<NamedParameter> parameters, AdamWOptions adamw_options)
    : parameters_(std::move(parameters)), options_(adamw_options) {
  for (const auto& [name, tensor, initial] : parameters_) {
    const auto fresh = [&x = tensor] { return zeros(x.shape(), x.dtype(), x.device()); };
    moments_.push_back({name, fresh(), fresh()});
  }
  numbers_ =
      zeros({4}, DType::f64, parameters_.empty() ? cpu_device : parameters_[0].tensor.device());
}

void AdamW::step(double learning_rate, const GradientScale& gradients) {
  begin_step(learning_rate, gradients.scale);
  update(gradients.max_norm, gradients.norm);
}

void AdamW::begin_step(double learning_rate, double gradient_scale) {
  ++steps_;
  const auto t = static_cast<double>(steps_);
  transfer(from_values<double>({learning_rate, gradient_scale, 1 - std::pow(options_.beta1, t),
                                1 - std::pow(options_.beta2, t)},
                               {4}),
           numbers_);
}

void AdamW::update(double max_norm, const Tensor& norm) {
  kernels::AdamWStep arguments{.numbers = numbers_,
                               .beta1 = options_.beta1,
                               .beta2 = options_.beta2,
                               .epsilon = options_.epsilon,
                               .max_norm = max_norm};
  arguments.norm = norm;
  std::vector<Tensor> tensors;
  for (const auto& parameter : parameters_) tensors.push_back(parameter.tensor);
  const auto rounded = RoundedWeights::begin_update(tensors);
  std::vector<Tensor> held;  // keeps the gradients' memory until the step is done
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const auto& tensor = parameters_[i].tensor;
    const auto g = gradient(tensor);
    held.push_back(g.defined() ? contiguous(g)
                               : zeros(tensor.shape(), tensor.dtype(), tensor.device()));
    arguments.parameters.emplace_back(tensor);
    arguments.first_moments.emplace_back(moments_[i].first_moment);
    arguments.second_moments.emplace_back(moments_[i].second_moment);
    arguments.gradients.emplace_back(held.back());
    arguments.rounded.push_back(rounded[i].defined() ? kernels::Out(rounded[i]) : kernels::Out());
    arguments.decay.push_back(tensor.rank() >= 2 ? options_.weight_decay : 0);
  }
  if (parameters_.empty()) return;
  kernels::adamw_step(parameters_[0].tensor.backend(), arguments);
  for (const auto& parameter : parameters_) parameter.tensor.storage()->bump_version();
  RoundedWeights::end_update();
}

Tensor gradient_norm_tensor(const std::vector<NamedParameter>& parameters) {
  std::vector<Tensor> held;
  kernels::InList tensors;
  for (const auto& parameter : parameters) {
    const auto g = gradient(parameter.tensor);
    if (!g.defined()) continue;
    held.push_back(contiguous(g));
    tensors.emplace_back(held.back());
  }
  if (held.empty()) {
    return zeros({}, DType::f64, parameters.empty() ? cpu_device : parameters[0].tensor.device());
  }
  const auto norm = zeros({}, DType::f64, held[0].device());
  run_with_workspace(kernels::global_norm, norm.device(),
                     kernels::GlobalNorm{.tensors = tensors, .y = norm});
  return norm;
}

double gradient_norm(const std::vector<NamedParameter>& parameters) {
  return gradient_norm_tensor(parameters).item();
}

double clipping_factor(double norm, double max_norm) {
  return max_norm == 0 ? 1 : std::min(1.0, max_norm / norm);
}

}  // namespace lookback
