// Rows of a table picked by integers:
//   y[i.., d] = table[ids[i..], d]
// ids: [i..] i64 contiguous; table: [V, D] contiguous; y: [i.., D] contiguous, of table's dtype.
// Throws Error naming position, id and V where an id is not in [0, V).
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct EmbeddingForwardArgs {
  In ids, table;
  Out y;
  static constexpr auto dependency =
      gather(&EmbeddingForwardArgs::y, &EmbeddingForwardArgs::table, &EmbeddingForwardArgs::ids);
};

// dtable[v] = sum of dy[i..] over the positions where ids[i..] = v, in the order of the positions,
// in the accumulator dtype; rows that nothing picked are zero. The ids have been checked by
// forward. workspace: u8, as many as workspace_bytes() says.
struct EmbeddingBackwardArgs {
  In dy, ids;
  Out dtable, workspace = {};
};

// Filled by kernels/cpu/embedding.cpp and kernels/cuda/embedding.cu.
inline Slot<EmbeddingForwardArgs> embedding_forward{"embedding_forward"};
inline BackwardSlot<EmbeddingBackwardArgs> embedding_backward{"embedding_backward"};

}  // namespace lookback::kernels
