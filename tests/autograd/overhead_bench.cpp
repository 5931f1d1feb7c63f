// What the tape costs around a kernel: putting an operation on it, and finding the next node in
// backward. Chains of operations on one number; time per operation.
#include <benchmark/benchmark.h>

#include "autograd/grad_mode.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"
#include "autograd/record.h"
#include "runtime/tensor.h"

namespace lookback {
namespace {

constexpr int chain_length = 1000;

// An operation without a kernel: its output is the input under another name.
struct AliasBackward {
  static constexpr std::string_view name = "alias";
  std::vector<Tensor> operator()(const Tensor& dy, Needed) const { return {dy}; }
};

void per_operation(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * chain_length);
}

Tensor one_number() {
  const auto x = empty({1}, DType::f32);
  *x.data<float>() = 1;
  return x;
}

void add_without_tape(benchmark::State& state) {
  const auto x = one_number(), c = one_number();
  const NoGrad none;
  for (auto _ : state) {
    auto y = x;
    for (int i = 0; i < chain_length; ++i) y = add(y, c);
    benchmark::DoNotOptimize(y);
  }
  per_operation(state);
}
BENCHMARK(add_without_tape);

// Less the time of add_without_tape: what recording costs, and freeing what was recorded.
void add_on_tape(benchmark::State& state) {
  const auto x = one_number(), c = one_number();
  set_requires_grad(x);
  for (auto _ : state) {
    auto y = x;
    for (int i = 0; i < chain_length; ++i) y = add(y, c);
    benchmark::DoNotOptimize(y);
  }
  per_operation(state);
}
BENCHMARK(add_on_tape);

void backward_without_kernels(benchmark::State& state) {
  const auto x = one_number(), seed = one_number();
  set_requires_grad(x);
  for (auto _ : state) {
    state.PauseTiming();
    auto y = x;
    for (int i = 0; i < chain_length; ++i) {
      y = record<AliasBackward>(empty_like(y), {y}, [] { return AliasBackward{}; });
    }
    state.ResumeTiming();
    backward(y, seed);
  }
  per_operation(state);
}
BENCHMARK(backward_without_kernels);

}  // namespace
}  // namespace lookback
