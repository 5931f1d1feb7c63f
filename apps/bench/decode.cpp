// bench decode: the speed of generation behind a prompt of --block-size random tokens.
#include <chrono>
#include <nlohmann/json.hpp>

#include "apps/bench/benchmark.h"
#include "nn/llama/generate.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t default_tokens = 128;

nlohmann::ordered_json bench_decode(const BenchOptions& options, const Session& session) {
  const auto llama = bench_model(options, session.seed);
  const auto tokens = session.flags->given("steps") ? options.steps : default_tokens;
  const auto& config = llama->config;
  const auto length = std::min(options.block_size, config.max_position_embeddings - tokens - 1);
  if (length < 1)
    usage_error("--steps {}: too many for max_position_embeddings={}", tokens,
                config.max_position_embeddings);
  const auto prompt = random_tokens(length, config.vocab_size, session.seed);
  std::optional<Clock::time_point> first;
  const GenerationOptions generation{
      .max_new_tokens = tokens + 1, .sampling = {.temperature = 0}, .on_token = [&](std::int64_t) {
        first = first.value_or(Clock::now());
      }};
  const auto start = Clock::now();
  const auto result = generate(*llama, prompt, generation);
  const double seconds = std::chrono::duration<double>(Clock::now() - *first).count();
  return {{"tokens_per_second", static_cast<double>(tokens) / seconds},
          {"seconds_to_first_token", std::chrono::duration<double>(*first - start).count()},
          {"cache_bytes_per_token", result.cache_bytes_per_token},
          {"cache_bytes_per_sequence", result.cache_bytes_per_sequence}};
}

const Benchmarks::Add registered{"decode", bench_decode};

}  // namespace
}  // namespace lookback
