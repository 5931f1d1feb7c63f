// Names in a line of text that stays readable.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace lookback {

// "a, b, c": the first ten, then "and N more".
inline std::string listed_names(const std::vector<std::string>& names) {
  constexpr std::size_t most = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

}  // namespace lookback
