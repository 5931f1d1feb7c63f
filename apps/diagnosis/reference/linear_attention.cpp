// linear: weights are products of positive features, elu(x) + 1, over their sum (Katharopoulos et
// al. 2020); positions turn the features of the numerator alone (Su et al. 2021).
#include <cmath>

#include "apps/diagnosis/reference/attention.h"

namespace lookback::reference {
namespace {

class LinearAttention final : public Attention {
 public:
  using Attention::Attention;

  Heads raw_scores(const Matrix&) const override { return {}; }

  Look look(const Matrix& n, const Heads&) const override {
    const auto q = features(projected(n, "q")), k = for_all_heads(features(projected(n, "k")));
    Heads all;
    for (std::size_t h = 0; h < heads(); ++h) {
      auto weights = products(turned_by_position(q[h]), turned_by_position(k[h]));
      const auto plain = products(q[h], k[h]);
      for (std::size_t i = 0; i < n.rows(); ++i) {
        double total = options().epsilon;
        for (const double product : plain.row(i)) total += product;
        for (double& weight : weights.row(i)) weight /= total;
      }
      all.push_back(weights);
    }
    return {.weights = all};
  }

 private:
  static Heads features(Heads x) {
    for (auto& head : x) {
      for (double& value : head.values()) value = value >= 0 ? value + 1 : std::exp(value);
    }
    return x;
  }

  // Of each query with the keys up to it; 0 with the others.
  static Matrix products(const Matrix& q, const Matrix& k) {
    Matrix all(q.rows(), q.rows());
    for (std::size_t i = 0; i < q.rows(); ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        for (std::size_t d = 0; d < q.columns(); ++d) all(i, j) += q(i, d) * k(j, d);
      }
    }
    return all;
  }
};

}  // namespace

std::unique_ptr<Attention> make_linear_attention(const Config& config, const Weights& weights,
                                                 std::size_t layer) {
  return std::make_unique<LinearAttention>(config, weights, layer);
}

}  // namespace lookback::reference
