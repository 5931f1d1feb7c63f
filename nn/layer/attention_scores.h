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
  // `enlargement`: a layer's own scores are multiplied by softmax_scale, or width^-1/2, and by it.
  // The width is the options', or the head size where they have none that layers share.
  AttentionScores(Module& attention, const AttentionOptions& options, const LlamaConfig& config,
                  std::int64_t layer, Precision precision, double enlargement = 1);

  RecordNeeds needs() const { return scheme_->needs(); }
  // Of the layer's own scores.
  double scale() const { return scale_; }
  // The layer's cache of a pass that has one. It keeps what later queries see (cache_reach.h).
  template <class Cache>
  Cache& cache(const ForwardPass& pass) const {
    return pass.options.cache->of_layer<Cache>(layer_, reach(pass));
  }
  // softmax(masked scores of query [B, T, H, K] and key [B, S, G, K]) value [B, S, G, V]
  // -> [B, T, H, V], of the pass's keys or those that its cache held before and them. Writes into
  // the record what the pass wants of it.
  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value,
                const ForwardPass& pass, LayerRecord& record) const;
  // The same of keys that stand elsewhere than at their positions in the sequence.
  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, CausalMask mask,
                const ForwardPass& pass, LayerRecord& record) const;
  // What attend() is made of.
  AttentionPieces pieces(const Tensor& query, const Tensor& key, const ForwardPass& pass) const;
  // The pass's mask for the query [B, T, H, K], and for keys as attend() takes them.
  CausalMask mask_of(const Tensor& query, const ForwardPass& pass) const;
  // A mask with the layer's pattern in it.
  CausalMask patterned(CausalMask mask, const Tensor& query, const ForwardPass& pass) const;

 private:
  CacheReach reach(const ForwardPass& pass) const;

  Pattern pattern_;
  CacheReach reach_;
  std::int64_t layer_;
  double scale_, soft_cap_;
  Tensor slopes_;  // [H], of ALiBi; undefined: none
  std::unique_ptr<const ScoreScheme> scheme_;
};

}  // namespace lookback
