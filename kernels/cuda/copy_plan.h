// Which way a copy y = x between views of any strides goes through memory on a GPU.
//
// Neighboring threads should meet neighboring memory. Where one dimension has small steps in both
// views, the threads follow it (elementwise.h). Where x's is another one than y's, as in a
// transposed matrix, no order of the threads suits both: the elements pass through a tile of shared
// memory, read along x's and written along y's.
#pragma once

#include <cstddef>
#include <optional>

#include "kernels/copy.h"
#include "kernels/cuda/device/view_steps.h"

namespace lookback::kernels {

// The views of a copy with their dimensions in the order in which y lies in memory, its closest
// last, x's steps 0 where it is broadcast.
CopyForwardArgs in_memory_order(const CopyForwardArgs& copy);

struct TilePlan {
  struct Dimension {
    std::int64_t size, y_step, x_step;
  };
  // The dimension that x has its smallest steps in, and the one that y has them in.
  Dimension along_x, along_y;
  // The others: y's steps, and x's.
  ViewSteps<2> batch;
  std::int64_t batches = 1;

  // Whether packs of so many elements can be read along the one, and written along the other.
  bool takes_packs(int width, const CopyForwardArgs& copy) const;
};
// For copies that want a tile. `copy`: in_memory_order().
std::optional<TilePlan> tile_plan(const CopyForwardArgs& copy);

}  // namespace lookback::kernels
