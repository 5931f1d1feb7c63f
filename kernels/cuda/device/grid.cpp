#include "kernels/cuda/device/grid.h"

#include "runtime/check.h"

namespace lookback::device {

void check_grid(const Grid& grid) {
  constexpr std::int64_t max_blocks = (std::int64_t{1} << 31) - 1;  // of gridDim.x
  if (grid.blocks < 0 || grid.blocks > max_blocks) {
    fail("launch",
         "{} blocks of a kernel: must be at most {}. A smaller --batch-size (with more "
         "--gradient-accumulation-steps) or --block-size needs fewer",
         grid.blocks, max_blocks);
  }
}

}  // namespace lookback::device
