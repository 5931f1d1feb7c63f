#include "runtime/nearest_name.h"

#include <vector>

namespace lookback {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto letter = [](char c) { return c == '_' ? '-' : c; };
  const std::size_t width = b.size() + 1;
  // cost[i][j]: from the first i letters of a to the first j of b.
  std::vector<std::size_t> cost((a.size() + 1) * width);
  for (std::size_t j = 0; j < width; ++j) cost[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    cost[i * width] = i;
    for (std::size_t j = 1; j < width; ++j) {
      const char x = letter(a[i - 1]), y = letter(b[j - 1]);
      auto& here = cost[i * width + j];
      here = std::min({cost[(i - 1) * width + j] + 1, cost[i * width + j - 1] + 1,
                       cost[(i - 1) * width + j - 1] + (x == y ? 0 : 1)});
      if (i > 1 && j > 1 && x == letter(b[j - 2]) && y == letter(a[i - 2])) {
        here = std::min(here, cost[(i - 2) * width + j - 2] + 1);
      }
    }
  }
  return cost.back();
}

bool is_slip(std::string_view wrong, std::string_view known) {
  const auto edits = edit_distance(wrong, known);
  return (edits <= 2 && 3 * edits <= wrong.size()) || 5 * edits <= wrong.size();
}

}  // namespace lookback
