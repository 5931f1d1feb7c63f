// The plain Llama: a layer's scores are its own, Q K^T / sqrt(dk).
#include <cmath>

#include "kernels/fill.h"
#include "nn/layer/score_scheme.h"

namespace lookback {
namespace {

class OwnScores final : public ScoreScheme {
 public:
  OwnScores(ChildOf place, const LlamaConfig& config, Precision precision)
      : ScoreScheme(std::move(place)), scales(empty({1}, precision.storage)) {
    const double scale = 1 / std::sqrt(static_cast<double>(config.head_dim));
    kernels::fill(scales.backend(), {.y = scales, .value = scale});
  }

  AttentionPieces pieces(const Tensor& query, const Tensor& key,
                         const std::vector<LayerRecord>&) const override {
    return {{query}, {key}, scales};
  }

  RecordNeeds needs() const override { return {}; }

 private:
  Tensor scales;
};

const ScoreSchemes::Add registered{
    "own", [](const ChildOf& place, const LlamaConfig& config, std::int64_t, Precision precision) {
      return std::make_unique<OwnScores>(place, config, precision);
    }};

}  // namespace
}  // namespace lookback
