// Rows of a table picked by integers:
//   y[i.., d] = table[ids[i..], d]
// ids: [i..] i64 contiguous; table: [V, D] contiguous; y: [i.., D] contiguous, of table's dtype.
// Throws Error naming position, id and V where an id is not in [0, V).
#pragma once

#include "kernels/core/dependency.h"
#include "kernels/core/slot.h"

namespace lookback::kernels {

struct EmbeddingForward {
  In ids, table;
  Out y;
  static constexpr auto dependency =
      gather(&EmbeddingForward::y, &EmbeddingForward::table, &EmbeddingForward::ids);
};

// dtable[v] = sum of dy[i..] over the positions where ids[i..] = v, in the order of the positions,
// in the accumulator dtype; rows that nothing picked are zero. The ids have been checked by
// forward. workspace: u8, as many as workspace_bytes() says.
struct EmbeddingBackward {
  In dy, ids;
  Out dtable, workspace = {};
};

inline Slot<EmbeddingForward> embedding_forward{"embedding_forward"};
inline BackwardSlot<EmbeddingBackward> embedding_backward{"embedding_backward"};

}  // namespace lookback::kernels
