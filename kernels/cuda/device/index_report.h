// Integers that pick rows, on a GPU: a kernel cannot throw, so it leaves a report of the first one
// that is out of range, goes on as if it were 0, and the next read of a result throws.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/core/operand.h"
#include "kernels/cuda/device/device.h"

namespace lookback::kernels {

enum class IndexUser {
  embedding,
  gather,
  index_select,
  cross_entropy,
  linear_cross_entropy,
  expert_linear
};
inline constexpr int index_users = 6;

// Which integers are in range, and where they lie.
struct IndexRule {
  std::int64_t limit = 0;
  std::int64_t sizes[Shape::max_rank] = {};
  int rank = 0;
  bool ignores = false;
  std::int64_t ignored = 0;
};

struct IndexReport {
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  // The position in the upper 32 bits, the index, cut to 32 bits, in the lower: the smallest stays.
  std::uint64_t first = none;
  IndexRule rule;  // of a call that left one
};

// In memory that kernels write and the host reads.
struct IndexReports {
  IndexReport of[index_users];
};

// The program's. Defined by the device's runtime.
IndexReports* index_reports();

// Throws Error for the first report there is, and clears them all.
void throw_reported(IndexReports& reports);

// What a kernel is given that picks by integers.
struct IndexCheck {
  IndexReports* reports;
  IndexUser user;
  IndexRule rule;

  // `index`, which is number `position` of all, where it lies in [0, limit); else reports it, and
  // gives 0. limit > 0 where the result is used. The kernel itself looks for the ignored ones.
  LOOKBACK_DEVICE std::int64_t operator()(std::int64_t index, std::int64_t position) const {
    if (index >= 0 && index < rule.limit) return index;
    auto& report = reports->of[static_cast<int>(user)];
    report.rule = rule;
    const std::int64_t cut = index < -2147483647  ? -2147483647
                             : index > 2147483647 ? 2147483647
                                                  : index;
    device::atomic_min(&report.first,
                       (static_cast<std::uint64_t>(position) << 32) |
                           static_cast<std::uint32_t>(static_cast<std::int32_t>(cut)));
    return 0;
  }
};

inline IndexCheck index_check(IndexUser user, const In& indices, std::int64_t limit,
                              std::optional<std::int64_t> ignored = std::nullopt) {
  IndexCheck check{index_reports(), user, {.limit = limit, .rank = indices.rank()}};
  for (int dim = 0; dim < indices.rank(); ++dim) check.rule.sizes[dim] = indices.size(dim);
  check.rule.ignores = ignored.has_value();
  check.rule.ignored = ignored.value_or(0);
  return check;
}

}  // namespace lookback::kernels
