#include "autograd/ops/detail/check_rope_tables.h"

namespace lookback {

void check_rope_tables(const Check& check, const Shape& x, DType dtype, const RopeTables& tables,
                       std::int64_t position_offset) {
  const auto& cos = tables.cos;
  const auto positions = cos.rank() == 2 ? cos.size(0) : 0;
  check(cos.shape() == Shape{positions, x[3] / 2} && tables.sin.shape() == cos.shape(),
        "cos {} and sin {} must be (positions, {}): x is {}", cos.shape(), tables.sin.shape(),
        x[3] / 2, x);
  check(cos.dtype() == accumulator_of(dtype) && tables.sin.dtype() == cos.dtype(),
        "cos {} and sin {} must be {}: x is {}", cos.dtype(), tables.sin.dtype(),
        accumulator_of(dtype), dtype);
  check(cos.is_contiguous() && tables.sin.is_contiguous(), "cos and sin must be contiguous");
  check(position_offset >= 0 && position_offset + x[1] <= positions,
        "positions {} to {} are asked for: the tables hold 0 to {}", position_offset,
        position_offset + x[1] - 1, positions - 1);
}

}  // namespace lookback
