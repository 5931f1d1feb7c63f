// What the value of a flag may be. A rule reads the text, refuses what does not keep it, and says
// how it reads in an error: "--batch-size 0: must be an integer of at least 1".
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace lookback {

struct IntegerRule {
  std::int64_t least;
  std::int64_t most = std::numeric_limits<std::int64_t>::max();

  std::string text() const;
  // Throws UsageError, with `flag` in front: not an integer, out of range, or too large to hold.
  std::int64_t read(std::string_view flag, const std::string& value) const;
};

// Finite numbers only: nan and inf keep no rule.
struct NumberRule {
  enum class Bound { included, excluded };
  double least;
  Bound least_is = Bound::included;
  double most = std::numeric_limits<double>::infinity();
  Bound most_is = Bound::included;

  std::string text() const;
  double read(std::string_view flag, const std::string& value) const;
};

inline constexpr IntegerRule at_least_zero{.least = 0};
inline constexpr IntegerRule at_least_one{.least = 1};
inline constexpr NumberRule non_negative{.least = 0};
inline constexpr NumberRule positive{.least = 0, .least_is = NumberRule::Bound::excluded};
inline constexpr NumberRule zero_to_one{.least = 0, .most = 1};
inline constexpr NumberRule below_one{
    .least = 0, .most = 1, .most_is = NumberRule::Bound::excluded};

}  // namespace lookback
