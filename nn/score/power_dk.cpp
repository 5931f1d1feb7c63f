// s_i = 1 / dk^a, a learned
#include <cmath>

#include "autograd/ops/exp.h"
#include "autograd/ops/multiply.h"
#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

class PowerDk final : public AccumulatedScores {
 public:
  PowerDk(const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AccumulatedScores(config, layer, precision) {}

 private:
  Tensor scales() const override { return all(1) * exp(a * -std::log(head_dim)); }

  Tensor a = one("a", 0.5);
};

const ScoreSchemes::Add registered{"power_dk", accumulated<PowerDk>()};
const PresetRegistration preset{
    "method5.8",
    {.description = "scores of all layers so far, over a learned power dk^a",
     .config = R"({"score_accumulation": {"scale": "power_dk"}})"}};

}  // namespace
}  // namespace lookback
