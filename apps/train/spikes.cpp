#include "apps/train/spikes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "apps/train/accumulate_gradients.h"
#include "runtime/check.h"

namespace lookback {
namespace {

constexpr std::size_t window = 128, least_steps = 64;
constexpr std::int64_t most_left_out = 10;
constexpr double deviations = 10, deviation_of_normal = 1.4826;
constexpr double least_rise_of_loss = 0.5, least_rise_of_norm = 9;  // nats; of the median

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

struct Center {
  double median = 0, deviation = 0;
};

Center center_of(const std::vector<double>& values) {
  Center center{.median = median(values)};
  auto distances = values;
  for (auto& each : distances) each = std::fabs(each - center.median);
  center.deviation = deviation_of_normal * median(std::move(distances));
  return center;
}

void push(std::vector<double>& values, double value) {
  if (values.size() == window) values.erase(values.begin());
  values.push_back(value);
}

}  // namespace

std::string_view name_of(OnSpike kind) {
  constexpr std::array<std::string_view, 4> names = {"warn", "stop", "skip", "back"};
  return names.at(static_cast<std::size_t>(kind));
}

bool Spike::is_finite() const { return std::isfinite(value); }

std::optional<Spike> spike_in(const StepMeasures& measures, const SpikeHistory& history) {
  if (!std::isfinite(measures.loss)) return Spike{.what = Spike::loss, .value = measures.loss};
  if (!std::isfinite(measures.grad_norm))
    return Spike{.what = Spike::norm, .value = measures.grad_norm};
  if (history.losses.size() < least_steps) return std::nullopt;
  const auto loss = center_of(history.losses), norm = center_of(history.grad_norms);
  const auto bound_of_loss =
      loss.median + std::max(deviations * loss.deviation, least_rise_of_loss);
  if (measures.loss > bound_of_loss)
    return Spike{.what = Spike::loss, .value = measures.loss, .bound = bound_of_loss};
  const auto bound_of_norm =
      norm.median + std::max(deviations * norm.deviation, least_rise_of_norm * norm.median);
  if (measures.grad_norm > bound_of_norm)
    return Spike{.what = Spike::norm, .value = measures.grad_norm, .bound = bound_of_norm};
  return std::nullopt;
}

std::string in_words(const Spike& spike, const SpikeHistory& history) {
  if (!spike.is_finite()) return fmt::format("the {} is not finite", spike.what);
  return fmt::format("the {} is {:.4g}, more than {:.4g}, the bound from the {} steps before",
                     spike.what, spike.value, spike.bound, history.losses.size());
}

bool is_used_up(const SpikeHistory& history) { return history.left_out_lately >= most_left_out; }

void add_step(SpikeHistory& history, const StepMeasures& measures, bool is_spike) {
  push(history.losses, measures.loss);
  push(history.grad_norms, measures.grad_norm);
  history.any_spike = history.any_spike || is_spike;
  history.steps_since_spike = is_spike ? 0 : history.steps_since_spike + 1;
  if (history.steps_since_spike >= std::int64_t{window}) history.left_out_lately = 0;
}

void add_left_out(SpikeHistory& history) {
  history.any_spike = true;
  history.steps_since_spike = 0;
  ++history.left_out_lately;
}

}  // namespace lookback
