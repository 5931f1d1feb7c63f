// Attention: GFLOP/s that a causal attention needs (half of the square), forward and backward.
#include <benchmark/benchmark.h>

#include <cmath>

#include "autograd/workspace.h"
#include "kernels/attention.h"
#include "kernels/attention_weights.h"
#include "tests/kernels/random_tensor.h"

namespace lookback::kernels {
namespace {

struct Operands {
  std::int64_t sequences, rows, heads, key_heads, width;
  Tensor q = random_tensor<float>({sequences, rows, heads, width}, 1);
  Tensor k = random_tensor<float>({sequences, rows, key_heads, width}, 2);
  Tensor v = random_tensor<float>({sequences, rows, key_heads, width}, 3);
  Tensor dy = random_tensor<float>({sequences, rows, heads, width}, 4);
  Tensor scales = from_values(std::vector<float>{1.0F / std::sqrt(static_cast<float>(width))}, {1});
  Tensor y = empty_like(q);
  Tensor log_sum_exp = empty({sequences, heads, rows}, DType::f32);

  explicit Operands(const benchmark::State& state)
      : sequences(state.range(0)),
        rows(state.range(1)),
        heads(state.range(2)),
        key_heads(state.range(3)),
        width(state.range(4)) {}

  void forward() const {
    attention_forward(
        Backend::cpu,
        {.q = {q}, .k = {k}, .v = v, .scales = scales, .y = y, .log_sum_exp = log_sum_exp});
  }
  // `products`: how many [rows, rows] x width products the work is.
  void report(benchmark::State& state, double products) const {
    const auto pairs = sequences * heads * rows * (rows + 1) / 2;
    state.counters["GFLOP/s"] =
        benchmark::Counter(2e-9 * products * static_cast<double>(pairs * width),
                           benchmark::Counter::kIsIterationInvariantRate);
  }
};

void forward(benchmark::State& state) {
  const Operands x(state);
  for (auto _ : state) x.forward();
  x.report(state, 2);
}

void backward(benchmark::State& state) {
  const Operands x(state);
  x.forward();
  const std::vector<In> q{x.q};
  const Tensor dq = zeros(x.q.shape(), DType::f32);
  const Tensor dk = zeros(x.k.shape(), DType::f32);
  const Tensor dv = empty_like(x.v);
  for (auto _ : state) {
    run_with_workspace(attention_backward, cpu_device,
                       AttentionBackwardArgs{.dy = x.dy,
                                             .q = q,
                                             .k = {x.k},
                                             .v = x.v,
                                             .scales = x.scales,
                                             .y = x.y,
                                             .log_sum_exp = x.log_sum_exp,
                                             .dq = {dq},
                                             .dk = {dk},
                                             .dv = dv});
  }
  x.report(state, 5);
}

void explicit_weights(benchmark::State& state) {
  const Operands x(state);
  const Tensor weights = empty({x.sequences, x.heads, x.rows, x.rows}, DType::f32);
  for (auto _ : state) {
    attention_weights_forward(Backend::cpu,
                              {.q = {x.q}, .k = {x.k}, .scales = x.scales, .weights = weights});
  }
  x.report(state, 1);
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"B", "T", "H", "G", "d"})->UseRealTime()->Unit(benchmark::kMillisecond);
  bench->Args({4, 256, 8, 8, 32})->Args({4, 256, 8, 4, 64})->Args({1, 2048, 8, 4, 64});
}
BENCHMARK(forward)->Apply(shapes);
BENCHMARK(backward)->Apply(shapes);
BENCHMARK(explicit_weights)->Apply(shapes);

}  // namespace
}  // namespace lookback::kernels
