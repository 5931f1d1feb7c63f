#pragma once

#include "autograd/ops/rope_tables.h"
#include "runtime/check.h"

namespace lookback {

// Throws where the tables are not those of x, [B, T, heads, dk], or too short for its positions.
void check_rope_tables(const Check& check, const Shape& x, DType dtype, const RopeTables& tables,
                       std::int64_t position_offset);

}  // namespace lookback
