// Logits of a model along one of the ways it can be run.
#pragma once

#include "nn/layer/bounded_attention.h"
#include "nn/proof/causal_proof.h"

namespace lookback {

// ids [B, T] -> [B, T, V]. Decoding: the first half in one piece, then the rest in another, through
// a cache; the logits of both.
Tensor run_along(const Llama& llama, const RunPath& path, const Tensor& ids);

// How many tokens go through a cache at once.
struct Pieces {
  std::int64_t prompt = 1, behind = 1;  // the first piece; each after it
};
// The logits [B, T, V] of ids [B, T] fed in pieces.
Tensor decoded(const Llama& llama, const Tensor& ids, Pieces pieces, ForwardOptions options = {},
               const CachePolicy& policy = {});

}  // namespace lookback
