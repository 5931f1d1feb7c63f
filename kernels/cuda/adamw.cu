#include "kernels/adamw.h"

#include "kernels/cuda/tensor_table.h"

namespace lookback::kernels {
namespace {

// w, m, v and the gradient.
using Table = TensorTable<4>;

template <class T>
struct Step {
  static constexpr int threads = 256;
  Table table;
  double decay[Table::most];
  const double* numbers;
  const double* norm;  // null: no clipping
  double max_norm;
  T beta1, beta2, epsilon, rest1, rest2;

  LOOKBACK_DEVICE void operator()() const {
    const auto [learning_rate, gradient_scale, correction1, correction2] = adamw_numbers(numbers);
    double scale = gradient_scale;
    if (norm != nullptr) {
      const double all = *norm;
      if (!(all - all == 0)) return;  // not finite
      scale = clipped_scale(scale, max_norm, all);
    }
    const auto chunk = table.chunk_of(device::block_index());
    auto* w = static_cast<T*>(table.data[chunk.tensor][0]);
    auto* m = static_cast<T*>(table.data[chunk.tensor][1]);
    auto* v = static_cast<T*>(table.data[chunk.tensor][2]);
    const auto* gradient = static_cast<const T*>(table.data[chunk.tensor][3]);
    const T kept = static_cast<T>(1 - learning_rate * decay[chunk.tensor]);
    const T rate = static_cast<T>(learning_rate / correction1);
    const T correction = static_cast<T>(correction2), factor = static_cast<T>(scale);
    for (auto i = chunk.begin + device::thread_index(); i < chunk.end; i += threads) {
      const T g = gradient[i] * factor;
      const T first = device::fused(m[i], beta1, g * rest1);
      const T second = device::fused(v[i], beta2, g * g * rest2);
      m[i] = first;
      v[i] = second;
      w[i] = w[i] * kept - first * rate / (device::sqrt(second / correction) + epsilon);
    }
  }
};

template <class T>
void update_all(const AdamWStep& a) {
  const auto number = [](double x) { return static_cast<T>(x); };
  Step<T> step;
  step.numbers = a.numbers.as<double>();
  step.norm = a.norm.as<double>();
  step.max_norm = a.max_norm;
  step.beta1 = number(a.beta1);
  step.beta2 = number(a.beta2);
  step.rest1 = number(1 - a.beta1);
  step.rest2 = number(1 - a.beta2);
  step.epsilon = number(a.epsilon);
  std::vector<std::int64_t> elements;
  for (const auto& parameter : a.parameters) elements.push_back(parameter.numel());
  for_each_table<4>(
      elements,
      [&](std::size_t i, void** data) {
        data[0] = a.parameters[i].data;
        data[1] = a.first_moments[i].data;
        data[2] = a.second_moments[i].data;
        data[3] = a.gradients[i].data;
      },
      [&](const Table& table, const std::vector<std::size_t>& members) {
        step.table = table;
        for (std::size_t i = 0; i < members.size(); ++i) step.decay[i] = a.decay[members[i]];
        device::launch({.blocks = table.blocks()}, step);
      });
}

void update(const AdamWStep& a) {
  if (a.parameters.empty()) return;
  if (a.parameters[0].dtype == DType::f64) {
    update_all<double>(a);
  } else {
    update_all<float>(a);
  }
}

const Registration registered{adamw_step, Backend::cuda, update};

}  // namespace
}  // namespace lookback::kernels
