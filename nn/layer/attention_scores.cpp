#include "nn/layer/attention_scores.h"

#include <cmath>

#include "autograd/ops/slice.h"
#include "kernels/fill.h"
#include "nn/layer/model_hooks.h"

namespace lookback {
namespace {

// One by one: a device may hold sets of positions instead of numbers.
Tensor slopes_of_heads(std::int64_t heads, double bias_max, Precision precision) {
  const auto result = empty({heads}, precision.storage);
  const auto slopes = alibi_slopes(heads, bias_max);
  for (std::int64_t head = 0; head < heads; ++head) {
    const auto slope = slopes[static_cast<std::size_t>(head)];
    kernels::fill(result.backend(), {.y = slice(result, 0, head, head + 1), .value = slope});
  }
  return result;
}

double width_of(const AttentionOptions& options, const LlamaConfig& config) {
  return options.score_width(config).value_or(static_cast<double>(config.head_dim));
}

// What the layer's cache keeps; everything where a sequence ends before anything could go.
CacheReach reach_of_layer(const AttentionOptions& options, const LlamaConfig& config) {
  const auto positions = config.max_position_embeddings;
  auto reach = reach_of(options.pattern, positions);
  // Later layers multiply this layer's keys, under patterns of their own.
  for (std::int64_t layer = 0; !config.score_scale.empty() && layer < config.num_hidden_layers;
       ++layer) {
    reach = joined(reach, reach_of(attention_of(config, layer)->pattern, positions));
  }
  reach.whole |= reach.most() >= positions;
  return reach;
}

}  // namespace

AttentionScores::AttentionScores(Module& attention, const AttentionOptions& options,
                                 const LlamaConfig& config, std::int64_t layer, Precision precision,
                                 double enlargement)
    : pattern_(options.pattern),
      reach_(reach_of_layer(options, config)),
      layer_(layer),
      scale_(enlargement *
             options.softmax_scale.value_or(1 / std::sqrt(width_of(options, config)))),
      soft_cap_(options.soft_cap.value_or(0)) {
  if (options.positions == Positions::alibi) {
    slopes_ = slopes_of_heads(config.num_attention_heads, options.alibi_bias_max, precision);
  }
  const ScoreSizes sizes{.layer = layer, .width = width_of(options, config), .scale = scale_};
  const auto name =
      config.score_scale.empty() ? ScoreScheme::default_name : std::string_view(config.score_scale);
  scheme_ = ScoreSchemes::make(name, {attention, "modified_scaling"}, sizes, precision);
}

AttentionPieces AttentionScores::pieces(const Tensor& query, const Tensor& key,
                                        const ForwardPass& pass) const {
  auto pieces = scheme_->pieces(query, key, pass.records);
  pieces.soft_cap = soft_cap_;
  pieces.slopes = slopes_;
  return pieces;
}

CacheReach AttentionScores::reach(const ForwardPass& pass) const {
  return pass.hooks->cache_reach(reach_);
}

CausalMask AttentionScores::mask_of(const Tensor& query, const ForwardPass& pass) const {
  if (pass.options.cache == nullptr) return pass.mask;
  return mask_of_held(pass.mask, reach(pass), pass.position, pass.end, query.device());
}

CausalMask AttentionScores::patterned(CausalMask mask, const Tensor& query,
                                      const ForwardPass& pass) const {
  return with_pattern(
      std::move(mask), pattern_,
      {.layer = layer_, .heads = query.size(2), .end = pass.end, .device = query.device()});
}

Tensor AttentionScores::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                               const ForwardPass& pass, LayerRecord& record) const {
  return attend(query, key, value, mask_of(query, pass), pass, record);
}

Tensor AttentionScores::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                               CausalMask mask, const ForwardPass& pass,
                               LayerRecord& record) const {
  if (pass.needs.scores) {
    record.query = query;
    record.key = key;
  }
  const auto shown = patterned(std::move(mask), query, pass);
  const auto attended = record_attention(pieces(query, key, pass), value, shown, pass);
  if (pass.needs.replay) record.replay = attended.replay;
  return attended.output;
}

}  // namespace lookback
