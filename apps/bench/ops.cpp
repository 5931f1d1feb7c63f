// bench ops: every operation of a training step at the model's shapes, beside what the machine can
// do.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/bench/train_step.h"
#include "apps/profile/kernel_times.h"
#include "apps/profile/machine_limits.h"

namespace lookback {
namespace {

// One operation at one shape, over all its calls.
struct Measured {
  TimedCall fastest;
  std::int64_t calls = 0;  // in all steps
};

void keep(std::vector<Measured>& all, const TimedCall& call) {
  const auto same = std::ranges::find_if(all, [&](const Measured& each) {
    return each.fastest.name == call.name && each.fastest.shape == call.shape;
  });
  if (same == all.end()) {
    all.push_back({call, 1});
    return;
  }
  same->fastest.seconds = std::min(same->fastest.seconds, call.seconds);
  ++same->calls;
}

nlohmann::ordered_json bench_ops(const BenchOptions& options, const Session& session) {
  const auto llama = bench_model(options, session.seed);
  BenchStep step(*llama, options, Repetition::queued);
  std::vector<Measured> all;
  {
    KernelTimes times(session.device);
    for (std::int64_t i = 0; i < options.steps; ++i) {
      times.begin_step();
      step.run(session.seed + static_cast<std::uint64_t>(i));
      for (const auto& call : times.end_step()) keep(all, call);
    }
  }
  std::ranges::stable_sort(all, std::greater{},
                           [](const Measured& each) { return each.fastest.seconds; });
  const double max_gflops = gflops_limit(session.device, llama->precision.products);
  const double max_gbps = gbps_limit(session.device);
  auto list = nlohmann::ordered_json::array();
  for (const auto& [call, calls] : all) {
    const double gflops = call.flops / call.seconds / 1e9;
    const double gbps = call.bytes / call.seconds / 1e9;
    list.push_back({{"name", call.name},
                    {"shape", call.shape},
                    {"calls", calls / options.steps},
                    {"seconds", call.seconds},
                    {"gflops", gflops},
                    {"gbps", gbps},
                    {"of_limit", std::max(gflops / max_gflops, gbps / max_gbps)}});
  }
  return {{"operations", list}};
}

const Benchmarks::Add registered{"ops", bench_ops};

}  // namespace
}  // namespace lookback
