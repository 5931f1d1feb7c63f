// Batches of tokens as the model takes them.
#pragma once

#include "apps/data/token_source.h"
#include "runtime/transfer.h"

namespace lookback {

struct TokenTensors {
  Tensor ids, targets;  // [B, T] i64
};

inline TokenTensors token_tensors(const TokenBatch& batch) {
  const Shape shape{batch.rows, batch.columns};
  return {to_default_device(from_values(batch.inputs, shape)),
          to_default_device(from_values(batch.targets, shape))};
}

// A batch of the same shape in the same memory.
inline void set_tokens(const TokenTensors& tensors, const TokenBatch& batch) {
  const Shape shape{batch.rows, batch.columns};
  transfer(from_values(batch.inputs, shape), tensors.ids);
  transfer(from_values(batch.targets, shape), tensors.targets);
}

}  // namespace lookback
