// Score accumulation (docs/variants.md, methods 5.1 to 5.8): a layer's scores are
//   sum_{i <= l} s_i Q_i K_i^T  before mask and softmax, with Q and K after rope, unscaled,
// so one attention whose query and key heads are l + 1 pieces wide. A scheme says what s is.
#pragma once

#include "nn/layer/score_scheme.h"

namespace lookback {

class AccumulatedScores : public ScoreScheme {
 public:
  AttentionPieces pieces(const Tensor& query, const Tensor& key,
                         const std::vector<LayerRecord>& earlier) const final;
  RecordNeeds needs() const final { return {.scores = true}; }
  Tensor effective_value() const final { return scales(); }

 protected:
  AccumulatedScores(ChildOf place, const ScoreSizes& sizes, Precision precision);

  // s [m], a function of the parameters.
  virtual Tensor scales() const = 0;
  // value in every one of [m].
  Tensor all(double value) const;
  // A parameter of shape [] or [m].
  Tensor one(std::string name, double initial);
  Tensor one_per_layer(std::string name, double initial);

  const double head_dim_;
  const std::int64_t m_;  // the number of summed score matrices, l + 1

 private:
  DType dtype_;
};

// The factory of a scheme.
template <class Scheme>
ScoreSchemes::Factory accumulated() {
  return [](const ChildOf& place, const ScoreSizes& sizes, Precision precision) {
    return std::make_unique<Scheme>(place, sizes, precision);
  };
}

}  // namespace lookback
