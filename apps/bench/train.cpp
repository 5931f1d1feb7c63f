// bench train: the speed of a training step, and how much of the machine it uses.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/bench/model_flops.h"
#include "apps/bench/train_step.h"
#include "apps/profile/machine_limits.h"
#include "apps/profile/profile.h"
#include "apps/train/peak_memory.h"
#include "runtime/allocator.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// --steps more steps, kernel by kernel.
nlohmann::ordered_json profile_of(const Llama& llama, const BenchOptions& options,
                                  const Session& session, std::optional<ReplacingFile>& trace) {
  BenchStep step(llama, options, Repetition::queued);
  step.run(session.seed);  // what is made at first use is no part of it
  std::vector<std::vector<TimedCall>> steps;
  KernelTimes times(session.device);
  for (std::int64_t i = 0; i < options.steps; ++i) {
    times.begin_step();
    step.run(session.seed + static_cast<std::uint64_t>(i));
    steps.push_back(times.end_step());
  }
  if (trace) write_trace(*trace, steps);
  return profile_json(profile_rows(steps), machine_limits(llama));
}

nlohmann::ordered_json bench_train(const BenchOptions& options, const Session& session) {
  std::optional<ReplacingFile> trace;  // one that cannot be written is refused at once
  if (!options.trace.empty()) trace.emplace(options.trace);
  const auto llama = bench_model(options, session.seed);
  const auto steps = measure_steps(*llama, options, session);
  const auto resident_bytes = peak_resident_bytes();
  const double each = median(steps.seconds);
  const double rate = static_cast<double>(options.batch_size * options.block_size) / each;
  std::int64_t parameters = 0;
  for (const auto& parameter : llama->parameters()) parameters += parameter.tensor.numel();
  const double peak = gflops_limit(session.device, llama->precision.products);
  const double flops = model_flops_per_token(*llama, options.block_size) * rate;
  nlohmann::ordered_json result{{"tokens_per_second", rate},
                                {"seconds_per_step", each},
                                {"recorded", steps.captured},
                                {"second_step_seconds", steps.second_step_seconds},
                                {"peak_bytes", resident_bytes},
                                {"allocator_peak_bytes", memory_stats(session.device).peak_bytes},
                                {"parameters", parameters},
                                {"model_flops_utilisation", flops / 1e9 / peak}};
  if (options.profile) result["profile"] = profile_of(*llama, options, session, trace);
  return result;
}

const Benchmarks::Add registered{"train", bench_train};

}  // namespace
}  // namespace lookback
