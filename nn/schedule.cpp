#include "nn/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lookback {

std::string_view name_of(ScheduleKind kind) {
  switch (kind) {
    case ScheduleKind::cosine: return "cosine";
    case ScheduleKind::linear: return "linear";
    case ScheduleKind::constant: return "constant";
    case ScheduleKind::warmup_stable_decay: return "warmup_stable_decay";
  }
  return "unknown";
}

double Schedule::learning_rate(std::int64_t step) const {
  if (step < warmup_steps) {
    return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  }
  const bool stays = kind == ScheduleKind::warmup_stable_decay;
  const auto begin = stays ? std::max(warmup_steps, total_steps - decay_steps) : warmup_steps;
  if (step < begin) return peak;
  const double progress =
      static_cast<double>(step - begin) / static_cast<double>(total_steps - begin);
  switch (kind) {
    case ScheduleKind::cosine:
    case ScheduleKind::warmup_stable_decay: {
      const double half = (1 + std::cos(std::numbers::pi * progress)) / 2;
      return peak * (minimum_ratio + (1 - minimum_ratio) * half);
    }
    case ScheduleKind::linear: return peak * (1 - (1 - minimum_ratio) * progress);
    case ScheduleKind::constant: return peak;
  }
  return peak;
}

}  // namespace lookback
