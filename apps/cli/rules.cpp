#include "apps/cli/rules.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "apps/cli/exit_code.h"

namespace lookback {
namespace {

[[noreturn]] void refuse(std::string_view flag, const std::string& value, std::errc problem,
                         const std::string& rule) {
  // Of which the rule alone would not be the truth.
  const bool too_large = problem == std::errc::result_out_of_range;
  usage_error("{} {}: must be {}{}", flag, value.empty() ? "\"\"" : value, rule,
              too_large ? " that 64 bits can hold" : "");
}

}  // namespace

std::string IntegerRule::text() const {
  if (max == std::numeric_limits<std::int64_t>::max()) {
    return fmt::format("an integer of at least {}", min);
  }
  return fmt::format("an integer from {} to {}", min, max);
}

std::int64_t IntegerRule::read(std::string_view flag, const std::string& value) const {
  std::int64_t number = 0;
  const char* end = value.data() + value.size();
  const auto [stop, problem] = std::from_chars(value.data(), end, number);
  if (problem != std::errc{} || stop != end || number < min || number > max) {
    refuse(flag, value, problem, text());
  }
  return number;
}

std::string NumberRule::text() const {
  auto rule = fmt::format("a finite number {} {}",
                          min_is == Bound::included ? "of at least" : "greater than", min);
  if (std::isfinite(max)) {
    rule += fmt::format(" and {} {}", max_is == Bound::included ? "at most" : "below", max);
  }
  return rule;
}

double NumberRule::read(std::string_view flag, const std::string& value) const {
  double number = 0;
  const char* end = value.data() + value.size();
  const auto [stop, problem] = std::from_chars(value.data(), end, number);
  const bool large_enough = min_is == Bound::included ? number >= min : number > min;
  const bool small_enough = max_is == Bound::included ? number <= max : number < max;
  if (problem != std::errc{} || stop != end || !std::isfinite(number) || !large_enough ||
      !small_enough) {
    refuse(flag, value, problem, text());
  }
  return number;
}

}  // namespace lookback
