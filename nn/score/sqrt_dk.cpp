// s_i = 1 / sqrt(dk)
#include <cmath>

#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

class SqrtDk final : public AccumulatedScores {
 public:
  SqrtDk(const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AccumulatedScores(config, layer, precision), fixed(all(1 / std::sqrt(head_dim))) {}

 private:
  Tensor scales() const override { return fixed; }

  Tensor fixed;
};

const ScoreSchemes::Add registered{"sqrt_dk", accumulated<SqrtDk>()};
const PresetRegistration preset{"method5.1",
                                {.description = "scores of all layers so far, over sqrt(dk)",
                                 .config = R"({"score_accumulation": {"scale": "sqrt_dk"}})"}};

}  // namespace
}  // namespace lookback
