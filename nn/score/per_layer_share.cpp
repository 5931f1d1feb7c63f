// s_i = m softmax(c)_i / sqrt(dk), c learned
#include <cmath>

#include "autograd/ops/multiply.h"
#include "autograd/ops/softmax.h"
#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

class PerLayerShare final : public AccumulatedScores {
 public:
  PerLayerShare(const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AccumulatedScores(config, layer, precision) {}

 private:
  Tensor scales() const override {
    return softmax(c) * (static_cast<double>(m) / std::sqrt(head_dim));
  }

  Tensor c = one_per_layer("score_params", 0);
};

const ScoreSchemes::Add registered{"per_layer_share", accumulated<PerLayerShare>()};
const PresetRegistration preset{
    "method5.5-share",
    {.description = "scores of all layers so far, shared out by a learned softmax",
     .config = R"({"score_accumulation": {"scale": "per_layer_share"}})"}};

}  // namespace
}  // namespace lookback
