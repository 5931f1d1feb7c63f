#include "kernels/cuda/index_report.h"

#include <array>
#include <string_view>

#include "runtime/check.h"

namespace lookback::kernels {

void throw_reported(IndexReports& reports) {
  struct Words {
    std::string_view operation, what;
  };
  constexpr std::array<Words, index_users> words = {{{"embedding", "id"},
                                                     {"gather", "index"},
                                                     {"index_select", "index"},
                                                     {"cross_entropy", "target"}}};
  const auto found = reports;
  reports = {};
  for (std::size_t user = 0; user < words.size(); ++user) {
    const auto& report = found.of[user];
    if (report.first == IndexReport::none) continue;
    fail(words[user].operation, "{} {} at position {} must be in [0, {})", words[user].what,
         static_cast<std::int32_t>(report.first), report.first >> 32, report.limit);
  }
}

}  // namespace lookback::kernels
