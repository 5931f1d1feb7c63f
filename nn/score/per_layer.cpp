// s_i = 1 / (exp(log_a_i) sqrt(dk)), log_a learned
#include <cmath>

#include "autograd/ops/exp.h"
#include "autograd/ops/multiply.h"
#include "autograd/ops/negate.h"
#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

class PerLayer final : public AccumulatedScores {
 public:
  PerLayer(const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AccumulatedScores(config, layer, precision) {}

 private:
  Tensor scales() const override { return exp(-log_a) * (1 / std::sqrt(head_dim)); }

  Tensor log_a = one_per_layer("log_a_params", 0);
};

const ScoreSchemes::Add registered{"per_layer", accumulated<PerLayer>()};
const PresetRegistration preset{
    "method5.5",
    {.description = "scores of all layers so far, each over its own learned exp(log_a) sqrt(dk)",
     .config = R"({"score_accumulation": {"scale": "per_layer"}})"}};

}  // namespace
}  // namespace lookback
