#include "autograd/ops/rope_tables.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "runtime/device_runtime.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

double scaled(double frequency, const RopeScaling& scaling) {
  switch (scaling.kind) {
    case RopeScaling::Kind::none: return frequency;
    case RopeScaling::Kind::linear: return frequency / scaling.factor;
    case RopeScaling::Kind::llama3: break;
  }
  const double wave = 2 * std::numbers::pi / frequency;
  const double turns = scaling.original_max_position_embeddings / wave;
  const double kept = std::clamp(
      (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor), 0.0,
      1.0);
  return frequency * (kept + (1 - kept) / scaling.factor);
}

void check_scaling(const Check& check, const RopeScaling& scaling) {
  if (scaling.kind == RopeScaling::Kind::none) return;
  check(scaling.factor > 0, "factor {} must be positive", scaling.factor);
  if (scaling.kind == RopeScaling::Kind::linear) return;
  check(scaling.high_freq_factor != scaling.low_freq_factor,
        "low_freq_factor and high_freq_factor are both {}: they must differ",
        scaling.low_freq_factor);
  check(scaling.original_max_position_embeddings > 0,
        "original_max_position_embeddings {} must be positive",
        scaling.original_max_position_embeddings);
}

}  // namespace

RopeTables rope_tables(std::int64_t positions, std::int64_t head_dim, double theta,
                       const RopeScaling& scaling, DType dtype) {
  const Check check{"rope_tables"};
  check(positions >= 0, "{} positions: at least 0 are needed", positions);
  check(head_dim >= 0 && head_dim % 2 == 0, "head_dim {} must be even", head_dim);
  check(theta > 0, "theta {} must be positive", theta);
  check(is_floating(dtype), "dtype {} must be floating", dtype);
  check_scaling(check, scaling);
  const auto half = head_dim / 2;
  std::vector<double> frequency(static_cast<std::size_t>(half));
  for (std::int64_t i = 0; i < half; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(head_dim);
    frequency[static_cast<std::size_t>(i)] = scaled(1 / std::pow(theta, exponent), scaling);
  }
  const auto here = is_host_memory(default_device().backend) ? default_device() : cpu_device;
  const RopeTables tables{empty({positions, half}, dtype, here),
                          empty({positions, half}, dtype, here)};
  visit_floating(dtype, [&]<class T>(TypeTag<T>) {
    for (std::int64_t i = 0; i < positions * half; ++i) {
      const std::int64_t position = i / half;
      const double angle =
          static_cast<double>(position) * frequency[static_cast<std::size_t>(i % half)];
      tables.cos.data<T>()[i] = static_cast<T>(std::cos(angle));
      tables.sin.data<T>()[i] = static_cast<T>(std::sin(angle));
    }
  });
  return {to_default_device(tables.cos), to_default_device(tables.sin)};
}

}  // namespace lookback
