// y[o, j, i] = x[o, index[j], i], where the middle dimension is `dim` of x and of y.
// x, y: contiguous, equal shapes but along `dim`; index: [J] i64 contiguous.
// Throws Error naming position, index and size where an index is not in [0, x.size(dim)).
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct IndexSelectForward {
  In x, index;
  Out y;
  int dim;
  static constexpr auto dependency = gather(&IndexSelectForward::y, &IndexSelectForward::x,
                                            &IndexSelectForward::index, &IndexSelectForward::dim);
};

// dx[o, n, i] = sum of dy[o, j, i] over the j with index[j] = n, in their order. dx: contiguous, in
// the accumulator dtype of dy's. The index has been checked by forward. workspace: u8, as many as
// workspace_bytes() says.
struct IndexSelectBackward {
  In dy, index;
  Out dx, workspace;
  int dim;
};

inline Slot<IndexSelectForward> index_select_forward{"index_select_forward"};
inline BackwardSlot<IndexSelectBackward> index_select_backward{"index_select_backward"};

}  // namespace lookback::kernels
