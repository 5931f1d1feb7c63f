// s_i = 1 / (m sqrt(dk))
#include <cmath>

#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

class SqrtDkM final : public AccumulatedScores {
 public:
  SqrtDkM(const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AccumulatedScores(config, layer, precision),
        fixed(all(1 / (std::sqrt(head_dim) * static_cast<double>(m)))) {}

 private:
  Tensor scales() const override { return fixed; }

  Tensor fixed;
};

const ScoreSchemes::Add registered{"sqrt_dk_m", accumulated<SqrtDkM>()};
const PresetRegistration preset{
    "method5.3",
    {.description = "scores of all layers so far, averaged, over sqrt(dk)",
     .config = R"({"score_accumulation": {"scale": "sqrt_dk_m"}})"}};

}  // namespace
}  // namespace lookback
