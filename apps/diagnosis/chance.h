// What chance can do: bounds that it passes less than once in a billion times (thresholds.h).
#pragma once

#include <cstdint>

namespace lookback {

// How many of many independent things happen at most, where `expected` do on average (Bernstein's
// inequality).
double most_by_chance(double expected);

// How large a chi-square of so many degrees of freedom is at most (Laurent & Massart 2000).
double chi_square_by_chance(std::int64_t degrees_of_freedom);

}  // namespace lookback
