// Integers that pick rows, on a GPU: a kernel cannot throw, so it leaves a report of the first one
// that is out of range, goes on as if it were 0, and the next read of a result throws.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.h"

namespace lookback::kernels {

enum class IndexUser { embedding, gather, index_select, cross_entropy };
inline constexpr int index_users = 4;

struct IndexReport {
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  // The position in the upper 32 bits, the index, cut to 32 bits, in the lower: the smallest stays.
  std::uint64_t first = none;
  std::int64_t limit = 0;
};

// In memory that kernels write and the host reads.
struct IndexReports {
  IndexReport of[index_users];
};

// The program's. Defined by the device's runtime.
IndexReports* index_reports();

// Throws Error for the first report there is, and clears them all.
void throw_reported(IndexReports& reports);

// `index` where it lies in [0, limit); else reports it, and gives 0. limit > 0.
LOOKBACK_DEVICE std::int64_t checked_index(IndexReports* reports, IndexUser user,
                                           std::int64_t index, std::int64_t limit,
                                           std::int64_t position) {
  if (index >= 0 && index < limit) return index;
  auto& report = reports->of[static_cast<int>(user)];
  report.limit = limit;
  const std::int64_t cut = index < -2147483647  ? -2147483647
                           : index > 2147483647 ? 2147483647
                                                : index;
  device::lower_to(&report.first, (static_cast<std::uint64_t>(position) << 32) |
                                      static_cast<std::uint32_t>(static_cast<std::int32_t>(cut)));
  return 0;
}

}  // namespace lookback::kernels
