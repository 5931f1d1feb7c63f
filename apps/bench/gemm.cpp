// bench gemm: plain products x weight^T, as the layers of a model compute them.
#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>

#include "apps/bench/benchmark.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/linear.h"
#include "runtime/device_runtime.h"
#include "runtime/random.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

using Clock = std::chrono::steady_clock;

struct ProductShape {
  std::int64_t m, n, k;
};

// The shapes of the PyTorch yardstick: cubes, layers of the built-in models, one row, a small one.
constexpr std::array<ProductShape, 9> shapes = {{{1024, 1024, 1024},
                                                 {2048, 512, 512},
                                                 {2048, 1024, 512},
                                                 {2048, 32000, 512},
                                                 {512, 32000, 2048},
                                                 {1024, 768, 768},
                                                 {1024, 3072, 768},
                                                 {64, 64, 64},
                                                 {1, 4096, 4096}}};

Tensor random_matrix(std::int64_t rows, std::int64_t columns, DType dtype) {
  RandomStream random(0, stream_of(RandomUse::parameters, 0));
  const auto matrix = empty({rows, columns}, dtype, cpu_device);
  visit_floating(dtype, [&]<class T>(TypeTag<T>) {
    for (auto& element : matrix.elements<T>()) element = static_cast<T>(random.uniform() - 0.5);
  });
  return to_default_device(matrix);
}

// The best of one second.
double best_seconds(const Tensor& x, const Tensor& weight) {
  double best = 1e9;
  for (const auto end = Clock::now() + std::chrono::seconds(1); Clock::now() < end;) {
    const auto start = Clock::now();
    linear(x, weight);
    synchronize(x.device());
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

nlohmann::ordered_json bench_gemm(const BenchOptions& options, const Session&) {
  const NoGrad no_grad;
  const auto dtype = options.dtype;
  auto gflops = nlohmann::ordered_json::object();
  for (const auto& [m, n, k] : shapes) {
    const double seconds = best_seconds(random_matrix(m, k, dtype), random_matrix(n, k, dtype));
    const double operations =
        2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    gflops[fmt::format("{}x{}x{}", m, n, k)] = operations / seconds / 1e9;
  }
  return {{"gflops", gflops}};
}

const Benchmarks::Add registered{"gemm", bench_gemm};

}  // namespace
}  // namespace lookback
