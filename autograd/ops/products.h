#pragma once

#include "runtime/dtype.h"

namespace lookback {

// How products of float32 tensors are computed. native: in float32. bfloat16: both operands rounded
// to bfloat16, sums and result in float32; backward's products likewise.
enum class Products { native, bfloat16 };

// The dtype of what such products read, where nothing else reads it.
constexpr DType operand_dtype(DType dtype, Products products) {
  return products == Products::bfloat16 ? DType::bf16 : dtype;
}

}  // namespace lookback
