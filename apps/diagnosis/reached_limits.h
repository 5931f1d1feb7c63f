// A config whose limits act: clip_qkv clamps and attn_logit_softcapping caps at the size that
// queries, keys, values and scores of a small fresh model have. At the limits that people set
// nothing is clamped or capped before a model is trained, and what goes wrong there does not show.
#pragma once

#include "nn/layer/config.h"

namespace lookback {

// The config itself where it has no limits.
LlamaConfig with_reached_limits(const LlamaConfig& config);

// Whether it clamps: a slope of the loss changes where a number comes to its limit.
bool has_clamp(const LlamaConfig& config);

}  // namespace lookback
