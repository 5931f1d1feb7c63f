// bench memory: what a training step should need, from a formula, beside what it does need.
#include <nlohmann/json.hpp>

#include "apps/bench/train_step.h"
#include "apps/model/step_memory.h"
#include "runtime/allocator.h"

namespace lookback {
namespace {

nlohmann::ordered_json bench_memory(const BenchOptions& options, const Session& session) {
  const auto llama = bench_model(options, session.seed);
  nlohmann::ordered_json result;
  if (const auto bytes = step_bytes(*llama, options.batch_size * options.block_size))
    result["predicted_bytes"] = *bytes;
  BenchStep step(*llama, options, Repetition::queued);
  for (std::uint64_t i = 0; i < 2; ++i) step.run(session.seed + i);
  result["measured_bytes"] = memory_stats(session.device).peak_bytes;
  return result;
}

const Benchmarks::Add registered{"memory", bench_memory};

}  // namespace
}  // namespace lookback
