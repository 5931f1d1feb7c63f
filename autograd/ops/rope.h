#pragma once

#include <optional>

#include "autograd/ops/products.h"
#include "autograd/ops/rope_tables.h"
#include "runtime/tensor.h"

namespace lookback {

// What products around rope() ask for: y in this dtype, and the kind of the product that made x.
struct RopeFormats {
  std::optional<DType> result = {};
  Products source = Products::native;
};

// Rotary position embedding (Su et al. 2021), half-split: the pair (x[i], x[i + dk / 2]) turns by
// the angle of position position_offset + t. x [B, T, H, dk]: any strides (copied only where the
// last dimension is not contiguous); tables as rope_tables() makes them, in the accumulator dtype
// of x, for at least position_offset + T positions -> [B, T, H, dk] contiguous. Saves the tables'
// handles. y has x's dtype, or is rounded to `formats.result`, bfloat16 for an x of float32. Where
// a product of the kind `formats.source` made x, x's gradient has the dtype that it reads.
Tensor rope(const Tensor& x, const RopeTables& tables, std::int64_t position_offset = 0,
            const RopeFormats& formats = {});

}  // namespace lookback
