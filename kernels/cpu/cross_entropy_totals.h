// What all rows of a cross entropy add up to, in the order of the rows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/core/operand.h"

namespace lookback::kernels {

template <class Sum>
Sum sum_of_nats(const Sum* nats, std::int64_t rows) {
  double total = 0;
  for (std::int64_t r = 0; r < rows; ++r) total += static_cast<double>(nats[r]);
  return static_cast<Sum>(total);
}

inline std::int64_t count_valid(const In& targets, std::int64_t ignore_index) {
  const auto* target = targets.as<std::int64_t>();
  return targets.numel() - std::count(target, target + targets.numel(), ignore_index);
}

}  // namespace lookback::kernels
