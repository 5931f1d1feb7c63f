// s_i = 1 / (dk^a m^b), a and b learned
#include <cmath>

#include "autograd/ops/add.h"
#include "autograd/ops/exp.h"
#include "autograd/ops/multiply.h"
#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

class Power final : public AccumulatedScores {
 public:
  Power(const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AccumulatedScores(config, layer, precision) {}

 private:
  Tensor scales() const override {
    return all(1) * exp(a * -std::log(head_dim) + b * -std::log(static_cast<double>(m)));
  }

  Tensor a = one("a", 0.5), b = one("b", 1);
};

const ScoreSchemes::Add registered{"power", accumulated<Power>()};
const PresetRegistration preset{
    "method5.4",
    {.description = "scores of all layers so far, over learned powers dk^a m^b",
     .config = R"({"score_accumulation": {"scale": "power"}})"}};

}  // namespace
}  // namespace lookback
