// How a kernel is started.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lookback::device {

inline constexpr int warp_threads = 32;

struct Grid {
  std::int64_t blocks = 0;  // none: nothing runs
  std::size_t shared_bytes = 0;
};

// Throws Error where no GPU runs so many blocks of a kernel at once.
void check_grid(const Grid& grid);

// So many blocks that each item gets a thread.
constexpr std::int64_t blocks_for(std::int64_t items, std::int64_t per_block) {
  return (items + per_block - 1) / per_block;
}

}  // namespace lookback::device
