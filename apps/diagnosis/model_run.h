// Logits of a model along one of the ways it can be run.
#pragma once

#include "nn/proof/causal_proof.h"

namespace lookback {

// ids [B, T] -> [B, T, V]. Decoding: the first half in one piece, then the rest in another, through
// a cache; the logits of both.
Tensor run_along(const Llama& llama, const RunPath& path, const Tensor& ids);

}  // namespace lookback
