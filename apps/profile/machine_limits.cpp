#include "apps/profile/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "autograd/grad_mode.h"
#include "autograd/ops/linear.h"
#include "kernels/copy.h"
#include "kernels/cpu/machine.h"
#include "kernels/normal_fill.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

using Clock = std::chrono::steady_clock;

Tensor random_on(Device device, const Shape& shape, DType dtype) {
  const auto x = empty(shape, dtype, device);
  kernels::normal_fill(device.backend, {.y = x, .standard_deviation = 1, .seed = 0, .stream = 0});
  return x;
}

// The fastest of some runs, each of `calls` calls.
template <class Work>
double seconds_of(Device device, int calls, const Work& work) {
  constexpr int runs = 5;
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run <= runs; ++run) {
    const auto start = Clock::now();
    for (int call = 0; call < calls; ++call) work();
    synchronize(device);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count() / calls;
    if (run > 0) best = std::min(best, seconds);  // the first warms up
  }
  return best;
}

double product_gflops(Device device, DType dtype) {
  constexpr std::int64_t side = 4096;
  const NoGrad no_grad;
  const auto x = random_on(device, {side, side}, dtype), w = random_on(device, {side, side}, dtype);
  const double seconds = seconds_of(device, 10, [&] { linear(x, w); });
  return 2.0 * side * side * side / seconds / 1e9;
}

double copy_gbps(Device device) {
  constexpr std::int64_t elements = std::int64_t{1} << 28;
  const auto x = zeros({elements}, DType::f32, device), y = zeros({elements}, DType::f32, device);
  const double seconds =
      seconds_of(device, 5, [&] { kernels::copy_forward(device.backend, {.x = x, .y = y}); });
  return 2.0 * elements * sizeof(float) / seconds / 1e9;
}

}  // namespace

double gflops_limit(Device device, Products products) {
  const bool rounds = products == Products::bfloat16;
  if (device.backend == Backend::cpu) {
    const double bf16 = rounds ? kernels::measure_bf16_gflops() : 0;
    return bf16 > 0 ? bf16 : kernels::measure_fma_gflops();
  }
  const auto name = device_runtime(device.backend)->describe(device.index);
  const bool is_hopper =
      name.find("H100") != std::string::npos || name.find("H200") != std::string::npos;
  constexpr double hopper_bf16_gflops = 989e3;
  if (rounds && is_hopper) return hopper_bf16_gflops;
  return product_gflops(device, rounds ? DType::bf16 : DType::f32);
}

double gbps_limit(Device device) {
  return device.backend == Backend::cpu ? kernels::measure_triad_gbps() : copy_gbps(device);
}

MachineLimits machine_limits(const Llama& llama) {
  const auto device = llama.model.norm.weight.device();
  return {.gflops = gflops_limit(device, llama.precision.products), .gbps = gbps_limit(device)};
}

}  // namespace lookback
