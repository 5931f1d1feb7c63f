// The opening for score accumulation: what a layer's raw attention scores are made of.
#pragma once

#include <vector>

#include "nn/llama/config.h"
#include "nn/llama/layer_record.h"
#include "nn/module.h"
#include "nn/precision.h"
#include "nn/registry.h"

namespace lookback {

// scores = sum over p of scales[p] queries[p] keys[p]^T, then mask and softmax.
struct ScorePieces {
  std::vector<Tensor> queries;  // each [B, T, H, dk]
  std::vector<Tensor> keys;     // each [B, S, G, dk]
  Tensor scales;                // [pieces], in the accumulator dtype
};

class ScoreScheme : public Module {
 public:
  static constexpr std::string_view family = "score_scheme";
  // The pieces of this layer's scores from its own query and key (after rope) and the records of the
  // layers before it.
  virtual ScorePieces pieces(const Tensor& query, const Tensor& key,
                             const std::vector<LayerRecord>& earlier) const = 0;
  virtual RecordNeeds needs() const = 0;
};

using ScoreSchemes = Registry<ScoreScheme, LlamaConfig, std::int64_t, Precision>;

}  // namespace lookback
