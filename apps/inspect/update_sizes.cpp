#include "apps/inspect/update_sizes.h"

#include <cmath>

#include "apps/inspect/numbers.h"
#include "autograd/gradient.h"

namespace lookback {
double update_norm(const NamedParameter& parameter, const OptimizerView& optimizer) {
  const auto& options = optimizer.options;
  const auto weights = to_vector(parameter.tensor);
  std::vector<double> first(weights.size(), 0), second(weights.size(), 0);
  const auto found = optimizer.moments.find(parameter.name);
  const bool known = found != optimizer.moments.end() && found->second.first.defined() &&
                     found->second.second.defined() &&
                     found->second.first.shape() == parameter.tensor.shape() &&
                     found->second.second.shape() == parameter.tensor.shape();
  if (known) {
    first = to_vector(found->second.first);
    second = to_vector(found->second.second);
  } else if (const auto held = gradient(parameter.tensor); held.defined()) {
    const auto values = to_vector(held);
    for (std::size_t i = 0; i < values.size(); ++i) {
      first[i] = (1 - options.beta1) * values[i];
      second[i] = (1 - options.beta2) * values[i] * values[i];
    }
  }
  const auto t = static_cast<double>(known ? optimizer.steps_taken : 1);
  const double correction1 = 1 - std::pow(options.beta1, t);
  const double correction2 = 1 - std::pow(options.beta2, t);
  const double decay = parameter.tensor.rank() >= 2 ? options.weight_decay : 0;
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double direction =
        first[i] / correction1 / (std::sqrt(second[i] / correction2) + options.epsilon);
    const double change = optimizer.learning_rate * (direction + decay * weights[i]);
    sum += change * change;
  }
  return std::sqrt(sum);
}

}  // namespace lookback
