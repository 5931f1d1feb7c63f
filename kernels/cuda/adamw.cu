#include "kernels/adamw.h"

#include "kernels/cuda/device/tensor_table.h"

namespace lookback::kernels {
namespace {

// w, m, v, the gradient, and w in bf16 (null: not wanted).
using Table = TensorTable<5>;

// What the kernel is given, in packs and not.
template <class T>
struct Step {
  Table table;
  double decay[Table::most];
  const double* numbers;
  const double* norm;  // null: no clipping
  double max_norm;
  T beta1, beta2, epsilon, rest1, rest2;
};

template <class T, int width>
struct Update : Step<T> {
  static constexpr int threads = 256;

  LOOKBACK_DEVICE void operator()() const {
    const auto now = adamw_numbers(this->numbers);
    double scale = now.gradient_scale;
    if (this->norm != nullptr) {
      const double all = *this->norm;
      if (!(all - all == 0)) return;  // not finite
      scale = clipped_scale(scale, this->max_norm, all);
    }
    const auto chunk = this->table.chunk_of(device::block_index());
    auto* w = static_cast<T*>(this->table.data[chunk.tensor][0]);
    auto* m = static_cast<T*>(this->table.data[chunk.tensor][1]);
    auto* v = static_cast<T*>(this->table.data[chunk.tensor][2]);
    const auto* gradient = static_cast<const T*>(this->table.data[chunk.tensor][3]);
    auto* rounded = static_cast<BFloat16*>(this->table.data[chunk.tensor][4]);
    const Factors of{static_cast<T>(1 - now.learning_rate * this->decay[chunk.tensor]),
                     static_cast<T>(now.learning_rate / now.correction1),
                     static_cast<T>(now.correction2), static_cast<T>(scale)};
    for_each_of_chunk<threads, width>(
        chunk,
        [&](std::int64_t i) {
          const auto slopes = read_pack<width>(gradient + i);
          auto values = read_pack<width>(w + i), first = read_pack<width>(m + i),
               second = read_pack<width>(v + i);
          LOOKBACK_UNROLL
          for (int e = 0; e < width; ++e) {
            element(of, slopes.element[e], values.element[e], first.element[e], second.element[e]);
          }
          write_pack(m + i, first);
          write_pack(v + i, second);
          write_pack(w + i, values);
          if (rounded != nullptr) write_pack(rounded + i, in_bf16(values));
        },
        [&](std::int64_t i) {
          element(of, gradient[i], w[i], m[i], v[i]);
          if (rounded != nullptr) rounded[i] = BFloat16(static_cast<float>(w[i]));
        });
  }

 private:
  struct Factors {
    T kept, rate, correction, scale;
  };
  LOOKBACK_DEVICE static Pack<BFloat16, width> in_bf16(const Pack<T, width>& values) {
    Pack<BFloat16, width> result;
    LOOKBACK_UNROLL
    for (int e = 0; e < width; ++e) {
      result.element[e] = BFloat16(static_cast<float>(values.element[e]));
    }
    return result;
  }
  LOOKBACK_DEVICE void element(const Factors& of, T gradient, T& w, T& m, T& v) const {
    const T g = gradient * of.scale;
    m = device::fma(m, this->beta1, g * this->rest1);
    v = device::fma(v, this->beta2, g * g * this->rest2);
    w = w * of.kept - m * of.rate / (device::sqrt(v / of.correction) + this->epsilon);
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
  for_each_table<5>(
      elements,
      [&](std::size_t i, void** data) {
        data[0] = a.parameters[i].data;
        data[1] = a.first_moments[i].data;
        data[2] = a.second_moments[i].data;
        data[3] = a.gradients[i].data;
        data[4] = a.rounded.empty() ? nullptr : a.rounded[i].data;
      },
      [&](const Table& table, const std::vector<std::size_t>& members) {
        step.table = table;
        for (std::size_t i = 0; i < members.size(); ++i) step.decay[i] = a.decay[members[i]];
        if (table.takes_packs<T>(pack_width<T>)) {
          device::launch({.blocks = table.blocks()}, Update<T, pack_width<T>>{step});
        } else {
          device::launch({.blocks = table.blocks()}, Update<T, 1>{step});
        }
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
