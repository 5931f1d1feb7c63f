// bench machine: what the machine can do at most.
#include "kernels/cpu/machine.h"

#include <nlohmann/json.hpp>

#include "apps/bench/benchmark.h"
#include "apps/profile/machine_limits.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

nlohmann::ordered_json bench_machine(const BenchOptions&, const Session& session) {
  if (session.device.backend == Backend::cuda) {
    return {{"device", device_runtime(Backend::cuda)->describe(session.device.index)},
            {"code", device_runtime(Backend::cuda)->describe_code(session.device.index)},
            {"f32_gflops", gflops_limit(session.device, Products::native)},
            {"bf16_gflops", gflops_limit(session.device, Products::bfloat16)},
            {"copy_gbps", gbps_limit(session.device)}};
  }
  const auto machine = kernels::measure_machine();
  return {{"fma_gflops", machine.fma_gflops},
          {"bf16_gflops", machine.bf16_gflops},
          {"triad_gbps", machine.triad_gbps},
          {"cores", machine.cores},
          {"isa", machine.isa}};
}

const Benchmarks::Add registered{"machine", bench_machine};

}  // namespace
}  // namespace lookback
