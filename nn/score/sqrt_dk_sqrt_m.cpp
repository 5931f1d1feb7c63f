// s_i = 1 / sqrt(dk m)
#include <cmath>

#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

class SqrtDkSqrtM final : public AccumulatedScores {
 public:
  SqrtDkSqrtM(const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AccumulatedScores(config, layer, precision),
        fixed(all(1 / std::sqrt(head_dim * static_cast<double>(m)))) {}

 private:
  Tensor scales() const override { return fixed; }

  Tensor fixed;
};

const ScoreSchemes::Add registered{"sqrt_dk_sqrt_m", accumulated<SqrtDkSqrtM>()};
const PresetRegistration preset{
    "method5.2",
    {.description = "scores of all layers so far, over sqrt(dk m)",
     .config = R"({"score_accumulation": {"scale": "sqrt_dk_sqrt_m"}})"}};

}  // namespace
}  // namespace lookback
