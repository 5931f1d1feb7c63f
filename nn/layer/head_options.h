// The options that attention mechanisms of every type have in common.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "nn/layer/attention_pattern.h"
#include "nn/layer/config.h"

namespace lookback {

// position_embedding_type: what tells a score how far its query and key are apart.
//   rope    queries and keys are turned by their positions (Su et al. 2021)
//   alibi   scores fall with the distance, by a slope of each head (Press et al. 2022)
//   none    nothing
enum class Positions { rope, alibi, none };

// qk_norm (query_key_norm.h).
enum class QueryKeyNormKind { none, layer_norm, rms_norm, rms_norm_per_head };

struct HeadOptions {
  std::optional<double> softmax_scale;  // absent: (width of the scores)^-1/2
  std::optional<double> soft_cap;       // attn_logit_softcapping c: c tanh(score / c)
  Positions positions = Positions::rope;
  double alibi_bias_max = 8;   // of alibi_slopes()
  std::optional<double> clip;  // clip_qkv c: queries, keys and values are clamped to [-c, c]
  QueryKeyNormKind qk_norm = QueryKeyNormKind::none;
  std::optional<bool> attention_out_bias;  // of o_proj; absent: the config's attention_bias
  Pattern pattern;                         // empty: all keys up to the query

  bool out_bias(const LlamaConfig& config) const {
    return attention_out_bias.value_or(config.attention_bias);
  }
};

// ALiBi's slope of each of `heads` heads: with N the least power of 2 that is not below their
// number, s_i = 2^(-bias_max i / N) for i = 1..N. Where N is their number these; else the first of
// s_2, s_4, .., s_1, s_3, ..
std::vector<double> alibi_slopes(std::int64_t heads, double bias_max);

}  // namespace lookback
