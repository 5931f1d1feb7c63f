// s_i = 1 / (a_i dk^(b_i)), a and b learned
#include <cmath>

#include "autograd/ops/divide.h"
#include "autograd/ops/exp.h"
#include "autograd/ops/multiply.h"
#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

class PerLayerPower final : public AccumulatedScores {
 public:
  PerLayerPower(const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AccumulatedScores(config, layer, precision) {}

 private:
  Tensor scales() const override { return exp(b * -std::log(head_dim)) / a; }

  Tensor a = one_per_layer("a_params", 1), b = one_per_layer("b_params", 0.5);
};

const ScoreSchemes::Add registered{"per_layer_power", accumulated<PerLayerPower>()};
const PresetRegistration preset{
    "method5.6",
    {.description = "scores of all layers so far, each over its own learned a dk^b",
     .config = R"({"score_accumulation": {"scale": "per_layer_power"}})"}};

}  // namespace
}  // namespace lookback
