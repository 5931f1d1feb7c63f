#include "nn/layer/attention_scores.h"

#include <cmath>

namespace lookback {

AttentionScores::AttentionScores(Module& attention, const AttentionOptions& options,
                                 const LlamaConfig& config, std::int64_t layer, std::int64_t width,
                                 Precision precision, double enlargement)
    : pattern_(options.pattern) {
  const auto scores_width = static_cast<double>(width);
  const double scale = options.softmax_scale.value_or(1 / std::sqrt(scores_width));
  const ScoreSizes sizes{.layer = layer, .width = scores_width, .scale = scale * enlargement};
  const auto name =
      config.score_scale.empty() ? ScoreScheme::default_name : std::string_view(config.score_scale);
  scheme_ = ScoreSchemes::make(name, {attention, "modified_scaling"}, sizes, precision);
}

Tensor AttentionScores::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                               const ForwardPass& pass, LayerRecord& record) const {
  if (pass.needs.scores) {
    record.query = query;
    record.key = key;
  }
  auto mask = pass.mask;
  for (const auto& rule : pattern_) rule->narrow(mask);
  const auto attended =
      record_attention(scheme_->pieces(query, key, pass.records), value, mask, pass);
  if (pass.needs.replay) record.replay = attended.replay;
  return attended.output;
}

}  // namespace lookback
