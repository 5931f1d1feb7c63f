#include "nn/precision.h"

#include "runtime/check.h"

namespace lookback {

Precision precision_of(DType dtype) {
  if (!is_floating(dtype)) fail("precision", "{} must be float32, float64 or bfloat16", dtype);
  if (dtype == DType::bf16) return {DType::f32, Products::bfloat16};
  return {dtype, Products::native};
}

}  // namespace lookback
