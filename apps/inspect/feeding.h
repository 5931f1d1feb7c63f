// Who feeds whom: what earlier layers contribute to later ones.
#pragma once

#include "apps/inspect/layer_matrix.h"
#include "nn/llama/llama.h"

namespace lookback {

// Of the terms that cross-layer residuals add to the stream: amount is the norm over all tokens,
// its weight included; direction the cosine with what the layer's own attention or MLP put out, the
// mean over tokens. Empty for a model without.
Feeding fed_outputs(const LlamaConfig& config, const Trace& trace);

// Of the score matrices that layers add up before mask and softmax: amount is the norm over heads
// and visible keys of s_i Q_i K_i^T, each row less its mean (what all keys share does nothing to a
// softmax); direction the cosine with the layer's own. Empty where layers use their own scores
// alone.
Feeding fed_scores(const LlamaConfig& config, const Trace& trace);

}  // namespace lookback
