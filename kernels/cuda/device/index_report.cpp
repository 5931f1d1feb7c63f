#include "kernels/cuda/device/index_report.h"

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "kernels/core/index_error.h"

namespace lookback::kernels {

void throw_reported(IndexReports& reports) {
  struct Words {
    std::string_view operation, what;
  };
  constexpr std::array<Words, index_users> words = {{{"embedding", "id"},
                                                     {"gather", "index"},
                                                     {"index_select", "index"},
                                                     {"cross_entropy", "target"},
                                                     {"linear_cross_entropy", "target"},
                                                     {"expert_linear", "expert"}}};
  const auto found = reports;
  reports = {};
  for (std::size_t user = 0; user < words.size(); ++user) {
    const auto& [first, rule] = found.of[user];
    if (first == IndexReport::none) continue;
    const Shape sizes(std::span(rule.sizes, static_cast<std::size_t>(rule.rank)));
    fail_index(words[user].operation, words[user].what, static_cast<std::int32_t>(first),
               static_cast<std::int64_t>(first >> 32), sizes, rule.limit,
               rule.ignores ? std::optional(rule.ignored) : std::nullopt);
  }
}

}  // namespace lookback::kernels
