// The plain attention over a cache that drops tokens (CachePolicy, key_value_cache.h): decoding
// with a budget. No gradients.
//
// streaming_llm: keys are kept before rotary positions. Before n new tokens, where more than
// sinks + recent would stand in the cache, all but the first `sinks` and the last
// max(recent - n, 0) are dropped. Positions are places in the cache, the new tokens' the last.
//
// h2o: a key's worth is the sum of the weights that all queries so far gave it, over the query
// heads of its key head. After a step that leaves more than heavy + recent keys, those before the
// last `recent` are dropped but for the `heavy` worthiest (the older of two alike). Positions are
// those of the sequence.
#pragma once

#include "nn/layer/attention_scores.h"
#include "nn/layer/head_projections.h"

namespace lookback {

struct BoundedAttention {
  const HeadOptions& options;
  const AttentionScores& scores;
};

// heads: before rotary positions, in the dtype that attention computes in -> [B, T, H, dk]
Tensor attend_within_budget(const HeadProjections::Heads& heads, const BoundedAttention& attention,
                            const ForwardPass& pass, LayerRecord& record);

// Throws Error where the model cannot follow a policy that drops tokens: a mechanism other than
// causal, a pattern, layers that are run again, scores of earlier layers.
void check_cache_policy(const LlamaConfig& config, const CachePolicy& policy);

}  // namespace lookback
