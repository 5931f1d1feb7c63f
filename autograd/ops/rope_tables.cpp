#include "autograd/ops/rope_tables.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "runtime/device_runtime.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

double llama3_frequency(double frequency, const RopeScaling& scaling) {
  const double wave = 2 * std::numbers::pi / frequency;
  const double turns = scaling.original_max_position_embeddings / wave;
  const double kept = std::clamp(
      (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor), 0.0,
      1.0);
  return frequency * (kept + (1 - kept) / scaling.factor);
}

// How much of pair i is slowed: 0 up to pair `low`, 1 from pair `high` on.
class YarnRamp {
 public:
  YarnRamp(double width, double theta, const RopeScaling& scaling) {
    const auto pair_that_turns = [&](double times) {
      const double wave = scaling.original_max_position_embeddings / (2 * std::numbers::pi * times);
      return width * std::log(wave) / (2 * std::log(theta));
    };
    low_ = std::max(std::floor(pair_that_turns(scaling.beta_fast)), 0.0);
    high_ = std::min(std::ceil(pair_that_turns(scaling.beta_slow)), width - 1);
    if (low_ == high_) high_ += 0.001;  // a step
  }
  double slowed(double pair) const { return std::clamp((pair - low_) / (high_ - low_), 0.0, 1.0); }

 private:
  double low_, high_;
};

std::vector<double> frequencies(std::int64_t head_dim, double theta, const RopeScaling& scaling) {
  const auto width = static_cast<double>(head_dim);
  std::vector<double> all(static_cast<std::size_t>(head_dim / 2));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto pair = static_cast<double>(i);
    all[i] = 1 / std::pow(theta, 2 * pair / width);
    switch (scaling.kind) {
      case RopeScaling::Kind::none: break;
      case RopeScaling::Kind::linear: all[i] /= scaling.factor; break;
      case RopeScaling::Kind::llama3: all[i] = llama3_frequency(all[i], scaling); break;
      case RopeScaling::Kind::yarn: {
        const double slowed = YarnRamp(width, theta, scaling).slowed(pair);
        all[i] = all[i] / scaling.factor * slowed + all[i] * (1 - slowed);
        break;
      }
    }
  }
  return all;
}

double amplitude(const RopeScaling& scaling) {
  if (scaling.kind != RopeScaling::Kind::yarn) return 1;
  if (scaling.attention_factor != 0) return scaling.attention_factor;
  if (scaling.mscale == 0 || scaling.mscale_all_dim == 0) return yarn_magnitude(scaling.factor, 1);
  return yarn_magnitude(scaling.factor, scaling.mscale) /
         yarn_magnitude(scaling.factor, scaling.mscale_all_dim);
}

void check_scaling(const Check& check, const RopeScaling& scaling, double theta) {
  if (scaling.kind == RopeScaling::Kind::none) return;
  check(scaling.factor > 0, "factor {} must be positive", scaling.factor);
  if (scaling.kind == RopeScaling::Kind::linear) return;
  if (scaling.kind == RopeScaling::Kind::llama3) {
    check(scaling.high_freq_factor != scaling.low_freq_factor,
          "low_freq_factor and high_freq_factor are both {}: they must differ",
          scaling.low_freq_factor);
  } else {
    check(theta != 1, "theta is 1: yarn needs pairs that turn at different speeds");
    check(scaling.beta_fast > 0 && scaling.beta_slow > 0,
          "beta_fast {} and beta_slow {} must be positive", scaling.beta_fast, scaling.beta_slow);
  }
  check(scaling.original_max_position_embeddings > 0,
        "original_max_position_embeddings {} must be positive",
        scaling.original_max_position_embeddings);
}

}  // namespace

double yarn_magnitude(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

RopeTables rope_tables(std::int64_t positions, std::int64_t head_dim, double theta,
                       const RopeScaling& scaling, DType dtype) {
  const Check check{"rope_tables"};
  check(positions >= 0, "{} positions: at least 0 are needed", positions);
  check(head_dim >= 0 && head_dim % 2 == 0, "head_dim {} must be even", head_dim);
  check(theta > 0, "theta {} must be positive", theta);
  check(is_floating(dtype), "dtype {} must be floating", dtype);
  check_scaling(check, scaling, theta);
  const auto half = head_dim / 2;
  const auto frequency = frequencies(head_dim, theta, scaling);
  const double size = amplitude(scaling);
  const auto here = is_host_memory(default_device().backend) ? default_device() : cpu_device;
  const RopeTables tables{empty({positions, half}, dtype, here),
                          empty({positions, half}, dtype, here)};
  visit_floating(dtype, [&]<class T>(TypeTag<T>) {
    for (std::int64_t i = 0; i < positions * half; ++i) {
      const std::int64_t position = i / half;
      const double angle =
          static_cast<double>(position) * frequency[static_cast<std::size_t>(i % half)];
      tables.cos.data<T>()[i] = static_cast<T>(size * std::cos(angle));
      tables.sin.data<T>()[i] = static_cast<T>(size * std::sin(angle));
    }
  });
  return {to_default_device(tables.cos), to_default_device(tables.sin)};
}

}  // namespace lookback
