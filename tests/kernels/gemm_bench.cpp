// Matrix products: GFLOP/s of gemm() per shape and layout.
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/cpu/gemm.h"

namespace lookback::kernels {
namespace {

// m, n, k; then whether a and b are transposed.
template <class T>
void product(benchmark::State& state) {
  const auto m = state.range(0);
  const auto n = state.range(1);
  const auto k = state.range(2);
  const bool a_transposed = state.range(3) != 0;
  const bool b_transposed = state.range(4) != 0;
  const std::vector<T> a(static_cast<std::size_t>(m * k), T(0.5F));
  const std::vector<T> b(static_cast<std::size_t>(k * n), T(0.25F));
  std::vector<T> c(static_cast<std::size_t>(m * n));
  for (auto _ : state) {
    gemm(Gemm<T>{.m = m,
                 .n = n,
                 .k = k,
                 .a = a.data(),
                 .a_stride = a_transposed ? m : k,
                 .a_layout = a_transposed ? Layout::transposed : Layout::as_is,
                 .b = b.data(),
                 .b_stride = b_transposed ? k : n,
                 .b_layout = b_transposed ? Layout::transposed : Layout::as_is,
                 .c = c.data(),
                 .c_stride = n});
    benchmark::DoNotOptimize(c.data());
  }
  state.counters["GFLOP/s"] = benchmark::Counter(2e-9 * static_cast<double>(m * n * k),
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

// The shapes of a training step (forward, dx, dw), of the yardstick, and of decoding.
void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"m", "n", "k", "ta", "tb"})->UseRealTime();
  const std::int64_t sizes[][3] = {{1024, 1024, 1024}, {2048, 512, 512}, {2048, 32000, 512},
                                   {512, 32000, 2048}, {1024, 256, 256}, {256, 256, 1024},
                                   {64, 64, 64},       {1, 4096, 4096}};
  for (const auto& [m, n, k] : sizes) {
    for (const auto transposed : {0b01, 0b00, 0b10}) {
      bench->Args({m, n, k, transposed >> 1, transposed & 1});
    }
  }
}
BENCHMARK(product<float>)->Apply(shapes);
BENCHMARK(product<BFloat16>)->Apply(shapes);

}  // namespace
}  // namespace lookback::kernels
