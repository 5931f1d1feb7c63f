#pragma once

#include "autograd/ops/rope_tables.h"
#include "runtime/tensor.h"

namespace lookback {

struct HeadCounts {
  std::int64_t query = 0, key = 0;
};

struct RotatedHeads {
  Tensor query;  // [B, T, H, dk], turned by rope()
  Tensor key;    // [B, T, G, dk], turned by rope()
  Tensor value;  // [B, T, G, dk]
};

// Queries, keys and values as attention reads them, from one joint projection of a layer's input:
// joint [B, T, (H + 2 G) dk], the queries' heads, then the keys', then the values'. What rope()
// needs as there. The results are contiguous, in joint's dtype or rounded to `dtype`, bfloat16 for
// a joint of float32; then its gradient is in bfloat16 as well. Saves the tables' handles. Throws
// for other shapes and dtypes.
RotatedHeads rotated_heads(const Tensor& joint, const HeadCounts& heads, const RopeTables& tables,
                           std::int64_t position_offset, DType dtype);

}  // namespace lookback
