// y[o, j, i] = x[o, index[o, j, i], i], where the middle dimension is `dim` of all three.
// x, index, y: contiguous, equal shapes but along `dim`, y of index's; index is i64.
// Throws Error naming position, index and size where an index is not in [0, x.size(dim)).
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct GatherForwardArgs {
  In x, index;
  Out y;
  int dim;
  static constexpr auto dependency = take_along(&GatherForwardArgs::y, &GatherForwardArgs::x,
                                                &GatherForwardArgs::index, &GatherForwardArgs::dim);
};

// dx[o, n, i] = sum of dy[o, j, i] over the j with index[o, j, i] = n, in their order. dx:
// contiguous, in the accumulator dtype of dy's. The index has been checked by forward. workspace:
// u8, as many as workspace_bytes() says.
struct GatherBackwardArgs {
  In dy, index;
  Out dx, workspace;
  int dim;
};

// Filled by kernels/cpu/gather.cpp and kernels/cuda/gather.cu.
inline Slot<GatherForwardArgs> gather_forward{"gather_forward"};
inline BackwardSlot<GatherBackwardArgs> gather_backward{"gather_backward"};

}  // namespace lookback::kernels
