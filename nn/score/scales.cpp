// The scales of accumulated scores, a formula each: s_i for the scores of layer i, in a sum of m.
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "autograd/ops/binary.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/unary.h"
#include "nn/layer/preset.h"
#include "nn/score/accumulated_scores.h"

namespace lookback {
namespace {

struct LearnedNumber {
  enum class Count { one, one_per_layer };  // shape [] or [m]
  std::string name;
  Count count;
  double initial;
};

// What a formula is given. `ones` [m].
struct ScaleInputs {
  const std::vector<Tensor>& learned;
  const Tensor& ones;
  double head_dim, m;
};

struct Scale {
  std::string name;  // in config.json
  std::string preset, description;
  std::function<std::vector<LearnedNumber>(double head_dim)> learned;
  std::function<Tensor(const ScaleInputs&)> formula;  // s [m]
};

class ScaledScores final : public AccumulatedScores {
 public:
  ScaledScores(ChildOf place, const ScoreSizes& sizes, Precision precision, const Scale& chosen)
      : AccumulatedScores(std::move(place), sizes, precision),
        formula_(chosen.formula),
        ones_(all(1)) {
    for (const auto& [name, count, initial] : chosen.learned(head_dim_)) {
      const bool each = count == LearnedNumber::Count::one_per_layer;
      learned_.push_back(each ? one_per_layer(name, initial) : one(name, initial));
    }
    if (learned_.empty()) fixed_ = computed();
  }

 private:
  Tensor scales() const override { return fixed_.defined() ? fixed_ : computed(); }
  Tensor computed() const {
    return formula_({learned_, ones_, head_dim_, static_cast<double>(m_)});
  }

  std::function<Tensor(const ScaleInputs&)> formula_;
  Tensor ones_;
  std::vector<Tensor> learned_;
  Tensor fixed_;  // undefined where numbers are learned
};

std::vector<LearnedNumber> nothing(double) { return {}; }
LearnedNumber single(std::string name, double initial) {
  return {std::move(name), LearnedNumber::Count::one, initial};
}
LearnedNumber per_layer(std::string name, double initial) {
  return {std::move(name), LearnedNumber::Count::one_per_layer, initial};
}

const std::vector<Scale>& all_scales() {
  static const std::vector<Scale> all = {
      // 1 / sqrt(dk)
      {"sqrt_dk", "method5.1", "scores of all layers so far, over sqrt(dk)", nothing,
       [](const ScaleInputs& in) { return in.ones * (1 / std::sqrt(in.head_dim)); }},
      // 1 / sqrt(dk m)
      {"sqrt_dk_sqrt_m", "method5.2", "scores of all layers so far, over sqrt(dk m)", nothing,
       [](const ScaleInputs& in) { return in.ones * (1 / std::sqrt(in.head_dim * in.m)); }},
      // 1 / (m sqrt(dk))
      {"sqrt_dk_m", "method5.3", "scores of all layers so far, averaged, over sqrt(dk)", nothing,
       [](const ScaleInputs& in) { return in.ones * (1 / (std::sqrt(in.head_dim) * in.m)); }},
      // 1 / (dk^a m^b), a and b learned
      {"power", "method5.4", "scores of all layers so far, over learned powers dk^a m^b",
       [](double) {
         return std::vector{single("a", 0.5), single("b", 1)};
       },
       [](const ScaleInputs& in) {
         const auto &a = in.learned[0], &b = in.learned[1];
         return in.ones * exp(a * -std::log(in.head_dim) + b * -std::log(in.m));
       }},
      // 1 / (exp(log_a_i) sqrt(dk)), log_a learned
      {"per_layer", "method5.5",
       "scores of all layers so far, each over its own learned exp(log_a) sqrt(dk)",
       [](double) { return std::vector{per_layer("log_a_params", 0)}; },
       [](const ScaleInputs& in) { return exp(-in.learned[0]) * (1 / std::sqrt(in.head_dim)); }},
      // m softmax(c)_i / sqrt(dk), c learned
      {"per_layer_share", "method5.5-share",
       "scores of all layers so far, shared out by a learned softmax",
       [](double) { return std::vector{per_layer("score_params", 0)}; },
       [](const ScaleInputs& in) {
         return softmax(in.learned[0]) * (in.m / std::sqrt(in.head_dim));
       }},
      // 1 / (a_i dk^(b_i)), a and b learned
      {"per_layer_power", "method5.6",
       "scores of all layers so far, each over its own learned a dk^b",
       [](double) {
         return std::vector{per_layer("a_params", 1), per_layer("b_params", 0.5)};
       },
       [](const ScaleInputs& in) {
         const auto &a = in.learned[0], &b = in.learned[1];
         return exp(b * -std::log(in.head_dim)) / a;
       }},
      // 1 / a_i, a learned
      {"per_layer_free", "method5.7",
       "scores of all layers so far, each over its own learned number",
       [](double head_dim) { return std::vector{per_layer("a_params", std::sqrt(head_dim))}; },
       [](const ScaleInputs& in) { return in.ones / in.learned[0]; }},
      // 1 / dk^a, a learned
      {"power_dk", "method5.8", "scores of all layers so far, over a learned power dk^a",
       [](double) { return std::vector{single("a", 0.5)}; },
       [](const ScaleInputs& in) { return in.ones * exp(in.learned[0] * -std::log(in.head_dim)); }},
  };
  return all;
}

// A file-level object that adds every scale and its preset before main.
struct AddScales {
  AddScales() {
    for (const auto& scale : all_scales()) {
      schemes.push_back(std::make_unique<ScoreSchemes::Add>(
          scale.name, [&scale](const ChildOf& place, const ScoreSizes& sizes, Precision precision) {
            return std::make_unique<ScaledScores>(place, sizes, precision, scale);
          }));
      presets.push_back(std::make_unique<RegisteredPresets::Add>(
          scale.preset,
          Preset{.description = scale.description,
                 .config = R"({"score_accumulation": {"scale": ")" + scale.name + "\"}}"}));
    }
  }
  std::vector<std::unique_ptr<ScoreSchemes::Add>> schemes;
  std::vector<std::unique_ptr<RegisteredPresets::Add>> presets;
};
const AddScales registered;

}  // namespace
}  // namespace lookback
