// Number formats of a model.
#pragma once

#include "autograd/ops/linear.h"
#include "runtime/dtype.h"

namespace lookback {

// `storage`: parameters, saved activations, norms, softmax and losses (float32 or float64).
// `products`: native, or operands rounded to bfloat16 with sums in float32: then `storage` is
// float32 and holds the master weights.
struct Precision {
  DType storage = DType::f32;
  Products products = Products::native;
};

// float32, float64: as they are; bfloat16: float32 storage with bfloat16 products. Throws
// otherwise.
Precision precision_of(DType dtype);

}  // namespace lookback
