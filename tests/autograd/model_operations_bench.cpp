// The operations of a Llama's step that are bound by memory, on the shapes of llama-tiny at B4
// T256: bytes_per_second counts each operand once, to be held against `lookback bench machine`'s
// triad.
#include <benchmark/benchmark.h>

#include <cmath>

#include "autograd/gradient.h"
#include "autograd/ops.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 1024, dimension = 512, intermediate = 1024, vocabulary = 32000;

Tensor filled(const Shape& shape) {
  const auto x = empty(shape, DType::f32);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(std::sin(static_cast<double>(i)));
  }
  set_requires_grad(x);
  return x;
}

Tensor tokens() {
  const auto ids = empty({rows}, DType::i64);
  for (std::int64_t i = 0; i < rows; ++i) ids.data<std::int64_t>()[i] = i * 7919 % vocabulary;
  return ids;
}

void count_floats(benchmark::State& state, std::int64_t floats) {
  state.SetBytesProcessed(state.iterations() * floats * static_cast<std::int64_t>(sizeof(float)));
}

// One backward of `result` per iteration, its gradients thrown away.
void time_backward(benchmark::State& state, const Tensor& result,
                   const std::vector<Tensor>& leaves) {
  const auto upstream = filled(result.shape());
  for (auto _ : state) {
    backward(result, upstream, AfterBackward::retain);
    for (const auto& leaf : leaves) clear_gradient(leaf);
  }
}

void embedding_forward(benchmark::State& state) {
  const auto ids = tokens(), table = filled({vocabulary, dimension});
  for (auto _ : state) embedding(ids, table);
  count_floats(state, 2 * rows * dimension);
}
BENCHMARK(embedding_forward)->UseRealTime();

void embedding_backward(benchmark::State& state) {
  const auto ids = tokens(), table = filled({vocabulary, dimension});
  time_backward(state, embedding(ids, table), {table});
  count_floats(state, (vocabulary + rows) * dimension);
}
BENCHMARK(embedding_backward)->UseRealTime();

void rope_forward(benchmark::State& state) {
  const auto x = filled({4, 256, 8, 64});
  const auto tables = rope_tables(256, 64, 10000);
  for (auto _ : state) rope(x, tables);
  count_floats(state, 2 * x.numel());
}
BENCHMARK(rope_forward)->UseRealTime();

void silu_mul_forward(benchmark::State& state) {
  const auto gate = filled({rows, intermediate}), up = filled({rows, intermediate});
  for (auto _ : state) silu_mul(gate, up);
  count_floats(state, 3 * gate.numel());
}
BENCHMARK(silu_mul_forward)->UseRealTime();

void silu_mul_backward(benchmark::State& state) {
  const auto gate = filled({rows, intermediate}), up = filled({rows, intermediate});
  time_backward(state, silu_mul(gate, up), {gate, up});
  count_floats(state, 5 * gate.numel());
}
BENCHMARK(silu_mul_backward)->UseRealTime();

void add_rms_norm_forward(benchmark::State& state) {
  const auto x = filled({rows, dimension}), a = filled({rows, dimension}),
             weight = filled({dimension});
  for (auto _ : state) add_rms_norm(x, a, weight, 1e-5);
  count_floats(state, 4 * x.numel());
}
BENCHMARK(add_rms_norm_forward)->UseRealTime();

void add_rms_norm_backward(benchmark::State& state) {
  const auto x = filled({rows, dimension}), a = filled({rows, dimension}),
             weight = filled({dimension});
  time_backward(state, add_rms_norm(x, a, weight, 1e-5).normed, {x, a, weight});
  count_floats(state, 3 * x.numel());
}
BENCHMARK(add_rms_norm_backward)->UseRealTime();

void cross_entropy_forward(benchmark::State& state) {
  const auto logits = filled({rows, vocabulary}).detach(), targets = tokens();
  for (auto _ : state) cross_entropy(logits, targets, {.count_correct = true});
  count_floats(state, logits.numel());
}
BENCHMARK(cross_entropy_forward)->UseRealTime();

void cross_entropy_backward(benchmark::State& state) {
  const auto logits = filled({rows, vocabulary}), targets = tokens();
  time_backward(state, cross_entropy(logits, targets).loss_sum, {logits});
  count_floats(state, 2 * logits.numel());
}
BENCHMARK(cross_entropy_backward)->UseRealTime();

// Forward with both gradients: three products of rows x vocabulary x dimension.
void linear_cross_entropy_with_gradients(benchmark::State& state) {
  const auto x = filled({rows, dimension}), weight = filled({vocabulary, dimension}),
             targets = tokens();
  for (auto _ : state) linear_cross_entropy(x, weight, targets);
  const auto multiply_adds = 3 * rows * vocabulary * dimension;
  state.counters["flops"] = benchmark::Counter(
      2.0 * static_cast<double>(multiply_adds * state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(linear_cross_entropy_with_gradients)->UseRealTime();

}  // namespace
}  // namespace lookback
