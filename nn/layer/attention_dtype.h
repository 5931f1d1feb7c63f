// The number format that attention reads.
#pragma once

#include "nn/layer/forward_pass.h"
#include "nn/precision.h"

namespace lookback {

// Queries, keys and values of attention that streams on `device`: bfloat16 where the model's
// products are and the device multiplies such matrices faster, which is on a GPU; on the CPU
// converting them gains nothing. Else, and for weights that are to be looked at, the format of
// everything else. Scores, weights and sums are float32 in either case.
inline DType attention_dtype(const Precision& precision, const ForwardOptions& options,
                             Device device) {
  const bool rounds = precision.products == Products::bfloat16 && device.backend == Backend::cuda &&
                      options.attention == AttentionPath::streaming && options.trace == nullptr;
  return rounds ? DType::bf16 : precision.storage;
}

}  // namespace lookback
