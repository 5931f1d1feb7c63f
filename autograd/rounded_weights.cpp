#include "autograd/rounded_weights.h"

#include "kernels/copy.h"

namespace lookback {
namespace {

void round_into(const Tensor& copy, const Tensor& weight) {
  kernels::copy_forward(weight.backend(), {.x = weight, .y = copy});
}

Tensor rounded(const Tensor& weight) {
  const auto copy = empty(weight.shape(), DType::bf16, weight.device());
  round_into(copy, weight);
  return copy;
}

}  // namespace

RoundedWeights::RoundedWeights(std::span<const Tensor> parameters) : keeps_all_(false) {
  for (const auto& parameter : parameters) memory_.insert(parameter.storage().get());
}

RoundedWeights*& RoundedWeights::current() {
  thread_local RoundedWeights* innermost = nullptr;
  return innermost;
}

bool RoundedWeights::Copy::is_of(const Tensor& other) const {
  return version == other.version() && weight.shape() == other.shape() &&
         weight.strides() == other.strides();
}

bool RoundedWeights::keeps(const Tensor& weight) const {
  return keeps_all_ || memory_.contains(weight.storage().get());
}

Tensor RoundedWeights::copy_of(const Tensor& weight) {
  auto* keeper = current();
  if (keeper == nullptr || !keeper->keeps(weight)) return rounded(weight);
  auto& copy = keeper->copies_[weight.raw_data()];
  if (!copy.weight.defined() || !copy.is_of(weight))
    copy = {.weight = weight.detach(), .version = weight.version(), .rounded = rounded(weight)};
  return copy.rounded;
}

// A copy of the whole parameter, or of several of which it is some rows.
Tensor RoundedWeights::part_of_a_copy(const Tensor& parameter) {
  if (!parameter.is_contiguous()) return {};
  for (auto& [data, copy] : copies_) {
    const auto& weight = copy.weight;
    if (weight.storage() != parameter.storage() || !weight.is_contiguous() ||
        weight.version() != copy.version) {
      continue;
    }
    const auto bytes = static_cast<const std::byte*>(parameter.raw_data()) -
                       static_cast<const std::byte*>(weight.raw_data());
    const auto first = bytes / static_cast<std::ptrdiff_t>(size_of(weight.dtype()));
    if (first < 0 || first + parameter.numel() > weight.numel()) continue;
    copy.is_written = true;
    return copy.rounded.alias(parameter.shape(), contiguous_strides(parameter.shape()), first);
  }
  return {};
}

std::vector<Tensor> RoundedWeights::begin_update(std::span<const Tensor> parameters) {
  std::vector<Tensor> parts(parameters.size());
  auto* keeper = current();
  if (keeper == nullptr) return parts;
  for (std::size_t i = 0; i < parts.size(); ++i) parts[i] = keeper->part_of_a_copy(parameters[i]);
  return parts;
}

void RoundedWeights::end_update() {
  auto* keeper = current();
  if (keeper == nullptr) return;
  for (auto& [data, copy] : keeper->copies_) {
    if (copy.is_written) copy.version = copy.weight.version();
    copy.is_written = false;
  }
}

void RoundedWeights::refresh() {
  for (auto& [data, copy] : copies_) {
    if (copy.version == copy.weight.version()) continue;
    round_into(copy.rounded, copy.weight);
    copy.version = copy.weight.version();
  }
}

void RoundedWeights::take_as_written() {
  for (auto& [data, copy] : copies_) copy.version = copy.weight.version();
}

}  // namespace lookback
