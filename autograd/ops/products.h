#pragma once

namespace lookback {

// How products of float32 tensors are computed. native: in float32. bfloat16: both operands rounded
// to bfloat16, sums and result in float32; backward's products likewise.
enum class Products { native, bfloat16 };

}  // namespace lookback
