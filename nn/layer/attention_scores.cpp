#include "nn/layer/attention_scores.h"

#include <cmath>

#include "autograd/ops/slice.h"
#include "kernels/fill.h"

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

}  // namespace

AttentionScores::AttentionScores(Module& attention, const AttentionOptions& options,
                                 const LlamaConfig& config, std::int64_t layer, Precision precision)
    : pattern_(options.pattern), layer_(layer), soft_cap_(options.soft_cap.value_or(0)) {
  if (options.positions == Positions::alibi) {
    slopes_ = slopes_of_heads(config.num_attention_heads, options.alibi_bias_max, precision);
  }
  const auto width = options.score_width(config).value();
  const ScoreSizes sizes{.layer = layer,
                         .width = width,
                         .scale = options.softmax_scale.value_or(1 / std::sqrt(width))};
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

Tensor AttentionScores::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                               const ForwardPass& pass, LayerRecord& record) const {
  if (pass.needs.scores) {
    record.query = query;
    record.key = key;
  }
  const auto mask = with_pattern(
      pass.mask, pattern_,
      {.layer = layer_, .heads = query.size(2), .end = pass.end, .device = query.device()});
  const auto attended = record_attention(pieces(query, key, pass), value, mask, pass);
  if (pass.needs.replay) record.replay = attended.replay;
  return attended.output;
}

}  // namespace lookback
