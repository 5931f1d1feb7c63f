#include "apps/diagnosis/chance.h"

#include <cmath>

#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

constexpr double x = thresholds::nats_of_chance;

}  // namespace

// P(more than expected + u) <= exp(-u^2 / (2 (expected + u / 3))).
double most_by_chance(double expected) {
  return expected + x / 3 + std::sqrt(x * x / 9 + 2 * x * expected);
}

// P(more than d + 2 sqrt(d x) + 2 x) <= exp(-x).
double chi_square_by_chance(std::int64_t degrees_of_freedom) {
  const auto d = static_cast<double>(degrees_of_freedom);
  return d + 2 * std::sqrt(d * x) + 2 * x;
}

}  // namespace lookback
