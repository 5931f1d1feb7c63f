// Learning rate over a run.
#pragma once

#include <cstdint>
#include <string_view>

namespace lookback {

enum class ScheduleKind { cosine, linear, constant, warmup_stable_decay };

// "cosine", "linear", "constant", "warmup_stable_decay"
std::string_view name_of(ScheduleKind kind);

struct Schedule {
  ScheduleKind kind = ScheduleKind::cosine;
  double peak = 1e-3;
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 1;
  double minimum_ratio = 0;
  std::int64_t decay_steps = 0;  // of warmup_stable_decay: the last ones

  // The rate of step s (from 0), W = warmup_steps, S = total_steps, r = minimum_ratio:
  //   peak (s + 1) / W                                 while s < W
  //   peak (r + (1 - r) (1 + cos(pi p)) / 2)           cosine, p = (s - W) / (S - W)
  //   peak (1 - (1 - r) p)                             linear
  //   peak                                             constant
  //   peak until step S - decay_steps, then as cosine  warmup_stable_decay (Hu et al. 2024)
  double learning_rate(std::int64_t step) const;
};

}  // namespace lookback
