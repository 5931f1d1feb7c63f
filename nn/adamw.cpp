#include "nn/adamw.h"

#include <algorithm>
#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops/contiguous.h"
#include "autograd/rounded_weights.h"
#include "kernels/adamw.h"
#include "kernels/chunk_squares.h"
#include "runtime/transfer.h"

namespace lookback {

namespace {

Device device_of(const std::vector<NamedParameter>& parameters) {
  return parameters.empty() ? cpu_device : parameters[0].tensor.device();
}

}  // namespace

AdamW::AdamW(std::vector<NamedParameter> parameters, AdamWOptions adamw_options)
    : parameters_(std::move(parameters)),
      options_(adamw_options),
      numbers_(zeros({4}, DType::f64, device_of(parameters_))) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) add_part({i});
}

AdamW::AdamW(std::vector<NamedParameter> parameters, AdamWOptions adamw_options,
             std::vector<ParameterRange> ranges)
    : parameters_(std::move(parameters)),
      options_(adamw_options),
      numbers_(zeros({4}, DType::f64, device_of(parameters_))) {
  for (const auto& range : ranges) add_part({range.parameter, range});
}

void AdamW::add_part(const Part& part) {
  const auto& [name, tensor, initial] = parameters_[part.parameter];
  const auto fresh = [shape = part.of(tensor).shape(), &x = tensor] {
    return zeros(shape, x.dtype(), x.device());
  };
  moments_.push_back({name, fresh(), fresh()});
  parts_.push_back(part);
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
  for (const auto& part : parts_) tensors.push_back(part.of(parameters_[part.parameter].tensor));
  const auto rounded = RoundedWeights::begin_update(tensors);
  std::vector<Tensor> held;  // keeps the gradients' memory until the step is done
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const auto& whole = parameters_[parts_[i].parameter].tensor;
    const auto& tensor = tensors[i];
    const auto g = gradient(whole);
    held.push_back(g.defined() ? parts_[i].of(contiguous(g))
                               : zeros(tensor.shape(), tensor.dtype(), tensor.device()));
    arguments.parameters.emplace_back(tensor);
    arguments.first_moments.emplace_back(moments_[i].first_moment);
    arguments.second_moments.emplace_back(moments_[i].second_moment);
    arguments.gradients.emplace_back(held.back());
    arguments.rounded.push_back(rounded[i].defined() ? kernels::Out(rounded[i]) : kernels::Out());
    arguments.decay.push_back(whole.rank() >= 2 ? options_.weight_decay : 0);
  }
  if (parts_.empty()) return;
  kernels::adamw_step(tensors[0].backend(), arguments);
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
  const auto device = device_of(parameters);
  const auto squares = empty({kernels::count_chunks(tensors, device.backend)}, DType::f64, device);
  const auto norm = empty({}, DType::f64, device);
  kernels::chunk_squares(device.backend, {.tensors = tensors, .y = squares});
  kernels::root_of_sum(device.backend, {.squares = squares, .y = norm});
  return norm;
}

double gradient_norm(const std::vector<NamedParameter>& parameters) {
  return gradient_norm_tensor(parameters).item();
}

double clipping_factor(double norm, double max_norm) {
  return max_norm == 0 ? 1 : std::min(1.0, max_norm / norm);
}

}  // namespace lookback
