// Sums of a stretch of terms.
#pragma once

#include <cstdint>

namespace lookback::kernels {

// term(0) + .. + term(count - 1) in sixteen partial sums: the compiler can keep them in vector
// registers of any width, and the order is fixed, the same on every instruction set.
template <class Sum, class Term>
Sum lane_sum(std::int64_t count, const Term& term) {
  constexpr std::int64_t lanes = 16;
  Sum partial[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) partial[lane] += term(i + lane);
  }
  for (; i < count; ++i) partial[i % lanes] += term(i);
  Sum total{};
  for (const auto value : partial) total += value;
  return total;
}

}  // namespace lookback::kernels
