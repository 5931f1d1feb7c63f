// The plain Llama: a layer's scores are its own, Q K^T times the scale.
#include "kernels/fill.h"
#include "nn/layer/score_scheme.h"

namespace lookback {
namespace {

class OwnScores final : public ScoreScheme {
 public:
  OwnScores(ChildOf place, const ScoreSizes& sizes, Precision precision)
      : ScoreScheme(std::move(place)), scales_(empty({1}, precision.storage)) {
    kernels::fill(scales_.backend(), {.y = scales_, .value = sizes.scale});
  }

  AttentionPieces pieces(const Tensor& query, const Tensor& key,
                         const std::vector<LayerRecord>&) const override {
    return {{query}, {key}, scales_};
  }

  RecordNeeds needs() const override { return {}; }

 private:
  Tensor scales_;
};

const ScoreSchemes::Add registered{
    std::string(ScoreScheme::default_name),
    [](const ChildOf& place, const ScoreSizes& sizes, Precision precision) {
      return std::make_unique<OwnScores>(place, sizes, precision);
    }};

}  // namespace
}  // namespace lookback
