// The scores of a layer whose attention is a softmax over them: how they are scaled, added up over
// layers, masked, applied and recorded.
#pragma once

#include <memory>

#include "nn/layer/attention_options.h"
#include "nn/layer/recorded_attention.h"
#include "nn/layer/score_scheme.h"

namespace lookback {

class AttentionScores {
 public:
  // Of options that have a score width.
  AttentionScores(Module& attention, const AttentionOptions& options, const LlamaConfig& config,
                  std::int64_t layer, Precision precision);

  RecordNeeds needs() const { return scheme_->needs(); }
  // softmax(masked scores of query [B, T, H, K] and key [B, S, G, K]) value [B, S, G, V]
  // -> [B, T, H, V]. Writes into the record what the pass wants of it.
  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value,
                const ForwardPass& pass, LayerRecord& record) const;

 private:
  AttentionPieces pieces(const Tensor& query, const Tensor& key, const ForwardPass& pass) const;

  Pattern pattern_;
  std::int64_t layer_;
  double soft_cap_;
  Tensor slopes_;  // [H], of ALiBi; undefined: none
  std::unique_ptr<const ScoreScheme> scheme_;
};

}  // namespace lookback
