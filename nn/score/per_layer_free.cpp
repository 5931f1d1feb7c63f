// s_i = 1 / a_i, a learned
#include <cmath>

#include "autograd/ops/divide.h"
#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

class PerLayerFree final : public AccumulatedScores {
 public:
  PerLayerFree(const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AccumulatedScores(config, layer, precision) {}

 private:
  Tensor scales() const override { return all(1) / a; }

  Tensor a = one_per_layer("a_params", std::sqrt(head_dim));
};

const ScoreSchemes::Add registered{"per_layer_free", accumulated<PerLayerFree>()};
const PresetRegistration preset{
    "method5.7",
    {.description = "scores of all layers so far, each over its own learned number",
     .config = R"({"score_accumulation": {"scale": "per_layer_free"}})"}};

}  // namespace
}  // namespace lookback
