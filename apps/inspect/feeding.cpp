#include "apps/inspect/feeding.h"

#include <cmath>
#include <limits>

#include "apps/inspect/numbers.h"

namespace lookback {
namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double cosine(std::span<const double> a, std::span<const double> b) {
  const double product = norm(a) * norm(b);
  return product > 0 ? dot(a, b) / product : 0;
}

// The mean over the tokens [T, D] of the cosine of their rows.
double mean_cosine(std::span<const double> a, std::span<const double> b, std::size_t width) {
  double sum = 0;
  std::size_t tokens = 0;
  for (std::size_t begin = 0; begin + width <= a.size(); begin += width, ++tokens) {
    sum += cosine(a.subspan(begin, width), b.subspan(begin, width));
  }
  return tokens > 0 ? sum / static_cast<double>(tokens) : 0;
}

// scale q k^T of one sequence over the visible keys (s <= t), each row less its mean:
// [H, T (T+1)/2].
std::vector<double> visible_scores(const Tensor& q, const Tensor& k, double scale) {
  const auto tokens = q.size(1), heads = q.size(2), groups = k.size(2), width = q.size(3);
  const auto query = to_vector(q), key = to_vector(k);
  const auto row_of = [&](const std::vector<double>& x, std::int64_t token, std::int64_t head,
                          std::int64_t count) {
    return std::span(x).subspan(static_cast<std::size_t>((token * count + head) * width),
                                static_cast<std::size_t>(width));
  };
  std::vector<double> scores;
  for (std::int64_t head = 0; head < heads; ++head) {
    for (std::int64_t t = 0; t < tokens; ++t) {
      const auto begin = scores.size();
      double sum = 0;
      for (std::int64_t s = 0; s <= t; ++s) {
        scores.push_back(scale * dot(row_of(query, t, head, heads),
                                     row_of(key, s, head / (heads / groups), groups)));
        sum += scores.back();
      }
      const double mean = sum / static_cast<double>(t + 1);
      for (auto i = begin; i < scores.size(); ++i) scores[i] -= mean;
    }
  }
  return scores;
}

}  // namespace

Feeding fed_outputs(const LlamaConfig& config, const Trace& trace) {
  if (trace.contributions.empty()) return {};
  const auto layers = config.num_hidden_layers;
  Feeding result{LayerMatrix(layers), LayerMatrix(layers)};
  const bool mlp = config.cross_layer_residual->site == CrossLayerResidual::Site::mlp;
  const auto& own = mlp ? trace.mlp_outputs : trace.attention_outputs;
  for (const auto& [layer, source, value] : trace.contributions) {
    const auto term = to_vector(value);
    const auto output = to_vector(own[static_cast<std::size_t>(layer)]);
    result.amount.at(layer, source) = norm(term);
    result.direction.at(layer, source) =
        mean_cosine(term, output, static_cast<std::size_t>(config.hidden_size));
  }
  return result;
}

Feeding fed_scores(const LlamaConfig& config, const Trace& trace) {
  const auto layers = config.num_hidden_layers;
  Feeding result;
  for (std::size_t layer = 0; layer < trace.pieces.size(); ++layer) {
    const auto& pieces = trace.pieces[layer];
    if (pieces.q.size() == 1) continue;
    if (result.empty()) result = {LayerMatrix(layers), LayerMatrix(layers)};
    const auto scales = to_vector(pieces.scales);
    const auto own = visible_scores(pieces.q.back(), pieces.k.back(), scales.back());
    for (std::size_t i = 0; i < pieces.q.size(); ++i) {
      const auto scores = visible_scores(pieces.q[i], pieces.k[i], scales[i]);
      const auto at = static_cast<std::int64_t>(layer), source = static_cast<std::int64_t>(i);
      result.amount.at(at, source) = norm(scores);
      result.direction.at(at, source) = cosine(scores, own);
    }
  }
  return result;
}

}  // namespace lookback
