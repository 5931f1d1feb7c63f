// y[o, j, i] = x[o, index[j], i], where the middle dimension is `dim` of x and of y.
// x, y: contiguous, equal shapes but along `dim`; index: [J] i64 contiguous.
// Throws Error naming position, index and size where an index is not in [0, x.size(dim)).
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct IndexSelectForwardArgs {
  In x, index;
  Out y;
  int dim;
  static constexpr auto dependency =
      gather(&IndexSelectForwardArgs::y, &IndexSelectForwardArgs::x, &IndexSelectForwardArgs::index,
             &IndexSelectForwardArgs::dim);
};

// dx[o, n, i] = sum of dy[o, j, i] over the j with index[j] = n, in their order. dx: contiguous, in
// the accumulator dtype of dy's. The index has been checked by forward. workspace: u8, as many as
// workspace_bytes() says.
struct IndexSelectBackwardArgs {
  In dy, index;
  Out dx, workspace;
  int dim;
};

// Filled by kernels/cpu/index_select.cpp and kernels/cuda/index_select.cu.
inline Slot<IndexSelectForwardArgs> index_select_forward{"index_select_forward"};
inline BackwardSlot<IndexSelectBackwardArgs> index_select_backward{"index_select_backward"};

}  // namespace lookback::kernels
