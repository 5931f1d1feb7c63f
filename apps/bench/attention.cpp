// bench attention: causal attention by itself, forward and backward, as the layers of a model run
// it, under the pattern of the presets. An operation counts once for each pair of a query and a key
// that the mask shows: two products forward, five backward.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/bench/benchmark.h"
#include "apps/bench/model_flops.h"
#include "apps/model/model_choice.h"
#include "autograd/gradient.h"
#include "autograd/ops/attention.h"
#include "kernels/fill.h"
#include "kernels/normal_fill.h"
#include "nn/layer/attention_options.h"
#include "runtime/device_runtime.h"

namespace lookback {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t heads = 16;

Tensor random_tensor(const Shape& shape, DType dtype, std::uint64_t stream) {
  const auto x = empty(shape, dtype);
  kernels::normal_fill(x.backend(), {.y = x, .standard_deviation = 1, .seed = 0, .stream = stream});
  return x;
}

// The fastest of `runs`, the first left out.
template <class Work>
double best_seconds(std::int64_t runs, const Work& work) {
  double best = std::numeric_limits<double>::infinity();
  for (std::int64_t run = 0; run <= runs; ++run) {
    synchronize(default_device());
    const auto start = Clock::now();
    work();
    synchronize(default_device());
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (run > 0) best = std::min(best, seconds);
  }
  return best;
}

// The presets' model, of whose first layer the pattern counts, in the heads that are measured.
LlamaConfig config_of(const BenchOptions& options) {
  auto config = choose_model(options.config, options.presets).config;
  const auto type = attention_of(config, 0)->type();
  if (type != AttentionOptions::default_type) {
    usage_error(
        "bench attention runs the {} attention, under a preset's pattern: a model of type {} "
        "is measured by bench train",
        AttentionOptions::default_type, type);
  }
  config.num_attention_heads = heads;
  return config;
}

nlohmann::ordered_json measure(const BenchOptions& options, const LlamaConfig& config,
                               std::int64_t head_size, double keys) {
  const auto dtype = options.dtype;
  const Shape shape{options.batch_size, options.block_size, heads, head_size};
  auto q = random_tensor(shape, dtype, 1), k = random_tensor(shape, dtype, 2),
       v = random_tensor(shape, dtype, 3);
  const auto dy = random_tensor(shape, dtype, 4);
  const auto scales = empty({1}, accumulator_of(dtype));
  kernels::fill(scales.backend(),
                {.y = scales, .value = 1 / std::sqrt(static_cast<double>(head_size))});
  const AttentionPieces pieces{.q = {q}, .k = {k}, .scales = scales};
  const auto mask =
      with_pattern({}, attention_of(config, 0)->pattern,
                   {.heads = heads, .end = options.block_size, .device = default_device()});
  const double forward = best_seconds(options.steps, [&] { attention(pieces, v, mask); });
  for (const auto& x : {q, k, v}) set_requires_grad(x);
  const double both = best_seconds(options.steps, [&] {
    backward(attention(pieces, v, mask).y, dy);
    for (const auto& x : {q, k, v}) clear_gradient(x);
  });
  const double product = 2 * static_cast<double>(shape.numel()) * keys;
  return {{"shape", to_string(shape)},
          {"keys_per_query", keys},
          {"forward_seconds", forward},
          {"forward_tflops", 2 * product / forward / 1e12},
          {"forward_and_backward_seconds", both},
          {"forward_and_backward_tflops", 7 * product / both / 1e12}};
}

nlohmann::ordered_json bench_attention(const BenchOptions& options, const Session&) {
  auto list = nlohmann::ordered_json::array();
  const auto config = config_of(options);
  const double keys = mean_keys_seen(config, 0, options.block_size);
  for (const std::int64_t head_size : {64, 128})
    list.push_back(measure(options, config, head_size, keys));
  return {{"attention", list}};
}

const Benchmarks::Add registered{"attention", bench_attention};

}  // namespace
}  // namespace lookback
