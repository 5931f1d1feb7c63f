// The opening for score accumulation: what a layer's raw attention scores are made of.
#pragma once

#include <vector>

#include "autograd/ops/attention.h"
#include "nn/layer/layer_record.h"
#include "nn/module.h"
#include "nn/precision.h"
#include "runtime/registry.h"

namespace lookback {

// The scores that a scheme is made for.
struct ScoreSizes {
  std::int64_t layer = 0;
  double width = 1;  // of a query and a key: dk in the formulas
  double scale = 1;  // of a layer's own scores
};

class ScoreScheme : public Module {
 public:
  using Module::Module;
  static constexpr std::string_view family = "score_scheme";
  // A layer's own scores alone.
  static constexpr std::string_view default_name = "own";
  // The pieces of this layer's scores, sum_p scales[p] q[p] k[p]^T before mask and softmax, from
  // its own query [B, T, H, dk] and key [B, S, G, dk] (after rope) and the records of the layers
  // before it.
  virtual AttentionPieces pieces(const Tensor& query, const Tensor& key,
                                 const std::vector<LayerRecord>& earlier) const = 0;
  virtual RecordNeeds needs() const = 0;
};

using ScoreSchemes = Registry<ScoreScheme, ChildOf, ScoreSizes, Precision>;

}  // namespace lookback
