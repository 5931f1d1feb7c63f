#include "nn/layer/head_options.h"

#include <bit>
#include <cmath>

namespace lookback {

std::vector<double> alibi_slopes(std::int64_t heads, double bias_max) {
  const auto count = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(heads)));
  std::vector<double> slopes;
  const auto add = [&](std::int64_t first, std::int64_t step) {
    for (auto i = first; i <= count && static_cast<std::int64_t>(slopes.size()) < heads; i += step)
      slopes.push_back(std::exp2(-bias_max * static_cast<double>(i) / static_cast<double>(count)));
  };
  if (count == heads) {
    add(1, 1);
  } else {
    add(2, 2);
    add(1, 2);
  }
  return slopes;
}

}  // namespace lookback
