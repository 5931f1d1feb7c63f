#include "apps/train/script_argument.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "apps/cli/flags.h"

namespace lookback {
namespace {

// A value may begin with a dash, as a negative number does.
bool is_a_flag(const std::string& text) { return text.starts_with("--") || text == "-h"; }

}  // namespace

std::vector<Argument> taken_apart(std::span<const std::string> arguments) {
  std::vector<Argument> all;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& text = arguments[i];
    if (!text.starts_with("--")) {
      all.push_back({.name = {}, .as_written = text, .value = {}});
      continue;
    }
    const auto equals = text.find('=');
    Argument argument{
        .name = with_dashes(text.substr(2, equals == text.npos ? equals : equals - 2)),
        .as_written = text.substr(0, equals),
        .value = {}};
    if (equals != text.npos) {
      argument.value = text.substr(equals + 1);
      argument.joined = true;
    } else if (i + 1 < arguments.size() && !is_a_flag(arguments[i + 1])) {
      argument.value = arguments[++i];
    }
    all.push_back(argument);
  }
  return all;
}

std::optional<bool> as_switch(const std::string& word) {
  const auto text = lower(word);
  if (text == "true" || text == "yes" || text == "1") return true;
  if (text == "false" || text == "no" || text == "0") return false;
  return std::nullopt;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::optional<double> number_in(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

}  // namespace lookback
