// What the value of a flag may be. A rule reads the text, refuses what does not keep it, and says
// how it reads in an error: "--batch-size 0: must be an integer of at least 1".
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace lookback {

struct IntegerRule {
  std::int64_t min;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();

  std::string text() const;
  // Throws UsageError, with `flag` in front: not an integer, out of range, or too large to hold.
  std::int64_t read(std::string_view flag, const std::string& value) const;
};

// Finite numbers only: nan and inf keep no rule.
struct NumberRule {
  enum class Bound { included, excluded };
  double min;
  Bound min_is = Bound::included;
  double max = std::numeric_limits<double>::infinity();
  Bound max_is = Bound::included;

  std::string text() const;
  double read(std::string_view flag, const std::string& value) const;
};

inline constexpr IntegerRule at_least_zero{.min = 0};
inline constexpr IntegerRule at_least_one{.min = 1};
inline constexpr NumberRule non_negative{.min = 0};
inline constexpr NumberRule positive{.min = 0, .min_is = NumberRule::Bound::excluded};
inline constexpr NumberRule zero_to_one{.min = 0, .max = 1};
inline constexpr NumberRule below_one{.min = 0, .max = 1, .max_is = NumberRule::Bound::excluded};

}  // namespace lookback
