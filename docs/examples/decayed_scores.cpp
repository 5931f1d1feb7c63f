// s_i = exp(-d (l - i)) / sqrt(dk) at layer l, d learned: scores count less the older they are.
#include <cmath>

#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/unary.h"
#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

class DecayedScores final : public AccumulatedScores {
 public:
  DecayedScores(ChildOf place, const ScoreSizes& sizes, Precision precision)
      : AccumulatedScores(std::move(place), sizes, precision) {
    for (std::int64_t i = 0; i < m_; ++i) ages_.push_back(static_cast<double>(m_ - 1 - i));
  }

 private:
  Tensor scales() const override {
    const auto age = to_device(cast(from_values(ages_, {m_}), decay_.dtype()), decay_.device());
    return exp(age * -decay_) * (1 / std::sqrt(head_dim_));
  }

  std::vector<double> ages_;  // of layer i's scores, in layers
  Tensor decay_ = one("decay", 0.1);
};

const ScoreSchemes::Add registered{"decayed", accumulated<DecayedScores>()};
const RegisteredPresets::Add preset{
    "decayed-scores",
    {.description = "scores of all layers so far, the older the weaker, by a learned decay",
     .config = R"({"score_accumulation": {"scale": "decayed"}})"}};

}  // namespace
}  // namespace lookback
