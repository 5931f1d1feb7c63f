// bench collectives: what the ranks of a run exchange in a step, without the step.
#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

#include "apps/bench/benchmark.h"
#include "autograd/gradient.h"
#include "autograd/ops/copy_of.h"
#include "nn/gradient_exchange.h"

namespace lookback {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Of the slowest rank, each time; the first time is not counted.
double median_seconds(Communicator& ranks, std::int64_t times, const std::function<void()>& prepare,
                      const std::function<void()>& exchange) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  for (std::int64_t i = 0; i <= times; ++i) {
    prepare();
    ranks.barrier("start of a measurement");
    const auto start = Clock::now();
    exchange();
    const double own = std::chrono::duration<double>(Clock::now() - start).count();
    std::vector<double> all(static_cast<std::size_t>(ranks.size()));
    ranks.all_gather(std::as_bytes(std::span(&own, 1)), std::as_writable_bytes(std::span(all)),
                     "seconds");
    if (i > 0) seconds.push_back(std::ranges::max(all));
  }
  return median(seconds);
}

nlohmann::ordered_json bench_collectives(const BenchOptions& options, const Session& session) {
  const auto llama = bench_model(options, session.seed);
  const auto parameters = llama->parameters();
  auto& ranks = *session.ranks;
  GradientExchange exchange(ranks, parameters);
  std::int64_t elements = 0;
  for (const auto& parameter : parameters) elements += parameter.tensor.numel();
  const double share = static_cast<double>(ranks.size() - 1) / ranks.size();
  const double bytes = share * static_cast<double>(elements) *
                       static_cast<double>(size_of(parameters[0].tensor.dtype()));
  const auto as_if_backward_had_run = [&] {
    for (const auto& parameter : parameters)
      set_gradient(parameter.tensor, copy_of(parameter.tensor.detach()));
  };
  const double sums =
      median_seconds(ranks, options.steps, as_if_backward_had_run, [&] { exchange.finish_sums(); });
  const double weights = median_seconds(
      ranks, options.steps, [] {}, [&] { exchange.share_weights(); });
  constexpr double giga = 1e9;
  return {{"ranks", ranks.size()},
          {"parameters", elements},
          {"bytes_out_of_each_rank", static_cast<std::int64_t>(bytes)},
          {"sum_of_gradients_seconds", sums},
          {"sum_of_gradients_gb_per_second", bytes / sums / giga},
          {"weights_seconds", weights},
          {"weights_gb_per_second", bytes / weights / giga}};
}

const Benchmarks::Add registered{"collectives", bench_collectives};

}  // namespace
}  // namespace lookback
