// How fast cuBLAS is at the products of the three models, called in three ways: gemm_probe
// [TOKENS]. One line of JSON for each (tests/gpu/speed_lines.py reads them). TOKENS rows are a
// micro-batch: 32768.
#include <fmt/format.h>

#include <cstdlib>
#include <functional>

#include "tests/gemm_probe/cublas_calls.h"
#include "tests/gemm_probe/probe_check.h"

namespace lookback::probe {
namespace {

// Of one call, over as many as take some twenty milliseconds: fifty at most, three at least.
class Stopwatch {
 public:
  explicit Stopwatch(cudaStream_t stream) : stream_(stream) {
    check(cudaEventCreate(&begin_));
    check(cudaEventCreate(&end_));
  }

  double seconds_of(const std::function<void()>& queue) const {
    const double once = seconds_of(queue, 1);
    const int most = once < 20e-3 / 50 ? 50 : static_cast<int>(20e-3 / once);
    const int calls = most < 3 ? 3 : most;
    return seconds_of(queue, calls) / calls;
  }

 private:
  double seconds_of(const std::function<void()>& queue, int calls) const {
    check(cudaEventRecord(begin_, stream_));
    for (int call = 0; call < calls; ++call) queue();
    check(cudaEventRecord(end_, stream_));
    check(cudaStreamSynchronize(stream_));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_));
    return static_cast<double>(milliseconds) / 1e3;
  }

  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

void measure(const CublasCalls& calls, const Product& product, Way way, ResultType result,
             const Stopwatch& stopwatch) {
  fmt::print(R"({{"call": "{}", "expected": "{}", "product": "{}", "result": "{}", )",
             way == Way::batched  ? "batched"
             : way == Way::single ? "single"
                                  : "lt",
             product.expected, product.name, result == ResultType::f32 ? "f32" : "bf16");
  fmt::print(R"("m": {}, "n": {}, "k": {}, )", product.m, product.n, product.k);
  // The first call is the slow one, and tells what is wrong.
  if (const auto problem = calls.multiply(way, product, result); !problem.empty()) {
    fmt::print("\"error\": \"{}\"}}\n", problem);
    return;
  }
  const double seconds =
      stopwatch.seconds_of([&] { static_cast<void>(calls.multiply(way, product, result)); });
  fmt::print("\"microseconds\": {:.2f}, \"tflops\": {:.2f}}}\n", seconds * 1e6,
             product.flops() / seconds / 1e12);
}

void measure_all(std::int64_t tokens) {
  int devices = 0;
  check(cudaGetDeviceCount(&devices));
  const auto products = products_of_models(tokens);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  const CublasCalls calls(products, stream);
  const Stopwatch stopwatch(stream);
  for (const auto& product : products) {
    for (const auto result : {ResultType::f32, ResultType::bf16}) {
      for (const auto way : {Way::batched, Way::single, Way::lt}) {
        measure(calls, product, way, result, stopwatch);
      }
    }
  }
}

}  // namespace
}  // namespace lookback::probe

int main(int count, char** arguments) {
  try {
    char* end = nullptr;
    const auto tokens = count > 1 ? std::strtoll(arguments[1], &end, 10) : 32768;
    if (count > 2 || tokens < 1 || (end != nullptr && *end != '\0')) {
      fmt::print(stderr, "gemm_probe [TOKENS]: must be a number of 1 or more\n");
      return 2;
    }
    lookback::probe::measure_all(tokens);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "gemm_probe: error: {}\n", error.what());
    return 1;
  }
}
