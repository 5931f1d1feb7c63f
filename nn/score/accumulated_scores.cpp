#include "nn/score/accumulated_scores.h"

#include "kernels/fill.h"

namespace lookback {

AccumulatedScores::AccumulatedScores(ChildOf place, const ScoreSizes& sizes, Precision precision)
    : ScoreScheme(std::move(place)),
      head_dim_(sizes.width),
      m_(sizes.layer + 1),
      dtype_(precision.storage) {}

AttentionPieces AccumulatedScores::pieces(const Tensor& query, const Tensor& key,
                                          const std::vector<LayerRecord>& earlier) const {
  const auto scope = enter();
  AttentionPieces result;
  for (const auto& record : earlier) {
    result.q.push_back(record.query);
    result.k.push_back(record.key);
  }
  result.q.push_back(query);
  result.k.push_back(key);
  result.scales = scales();
  return result;
}

Tensor AccumulatedScores::all(double value) const {
  const auto result = empty({m_}, dtype_);
  kernels::fill(result.backend(), {.y = result, .value = value});
  return result;
}

Tensor AccumulatedScores::one(std::string name, double initial) {
  return register_parameter(std::move(name), empty({}, dtype_), Initial::constant(initial));
}

Tensor AccumulatedScores::one_per_layer(std::string name, double initial) {
  return register_parameter(std::move(name), empty({m_}, dtype_), Initial::constant(initial));
}

}  // namespace lookback
