// dcmha: the scores of all heads at a pair of tokens are mixed with one another before the
// softmax, and the weights once more behind it, by small matrices that each token brings (Xiao et
// al. 2024).
#include <cmath>
#include <numbers>

#include "apps/diagnosis/reference/attention.h"

namespace lookback::reference {
namespace {

enum Branch { pre_query, pre_key, post_query, post_key, branches };

// What a token brings to one branch: w1, w2 [R, H], gate [H], row by row of tokens.
struct Dynamic {
  Matrix first, second;  // [T, R H]
  Matrix gate;           // [T, H]
};

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }

class ComposedAttention final : public Attention {
 public:
  using Attention::Attention;

  Look look(const Matrix& n, const Heads& scores) const override {
    const auto mixed =
        composed(capped_and_biased(scores), dynamic(n, pre_query), dynamic(n, pre_key), "pre");
    return {.weights = composed(masked_softmax(mixed), dynamic(n, post_query), dynamic(n, post_key),
                                "post")};
  }

 private:
  Dynamic dynamic(const Matrix& n, Branch branch) const {
    const auto h = heads(), rank = options().rank, hidden = 2 * rank * h;
    const auto& dw1 = weights().at(name("dyn_w_proj.dw1"));  // [D, 4, hidden]
    const auto& qkw = weights().at(name("dyn_w_proj.qkw"));  // [4, hidden, 2 R, H]
    const auto& dd = weights().at(name("dyn_w_proj.dd"));    // [D, 4 H]
    Dynamic all{Matrix(n.rows(), rank * h), Matrix(n.rows(), rank * h), Matrix(n.rows(), h)};
    for (std::size_t t = 0; t < n.rows(); ++t) {
      std::vector<double> inner(hidden), mixed(hidden);
      for (std::size_t c = 0; c < hidden; ++c) {
        for (std::size_t d = 0; d < n.columns(); ++d)
          inner[c] += n(t, d) * dw1.values[(d * branches + branch) * hidden + c];
        inner[c] = gelu(inner[c]);
      }
      for (std::size_t c = 0; c < hidden; ++c) {
        for (std::size_t o = 0; o < hidden; ++o)
          mixed[o] += inner[c] * qkw.values[(branch * hidden + c) * hidden + o];
      }
      for (std::size_t o = 0; o < rank * h; ++o) {
        all.first(t, o) = mixed[o];
        all.second(t, o) = mixed[rank * h + o];
      }
      for (std::size_t i = 0; i < h; ++i) {
        double total = 0;
        for (std::size_t d = 0; d < n.columns(); ++d)
          total += n(t, d) * dd.values[d * branches * h + branch * h + i];
        all.gate(t, i) = std::tanh(total);
      }
    }
    all.first = join(each_normed(split(all.first, rank)));
    return all;
  }

  static Heads each_normed(Heads rows) {
    for (auto& row : rows) row = rms_norm(row, {}, 1e-6);
    return rows;
  }

  // b_n = a_n + sum_r (sum_h a_h w1[r, h]) w2[r, n] + a_n gate_n, of the query's token and of the
  // key's; and sum_h a_h W[h, n] where the model has one matrix for all tokens. a [T, T] per head.
  Heads composed(const Heads& a, const Dynamic& query, const Dynamic& key,
                 const std::string& side) const {
    const auto tokens = a[0].rows();
    Heads b = a;
    for (std::size_t i = 0; i < tokens; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        add_mixed(a, b, query, i, i, j);
        add_mixed(a, b, key, j, i, j);
        if (options().static_projection) add_static(a, b, side, i, j);
      }
    }
    return b;
  }

  void add_mixed(const Heads& a, Heads& b, const Dynamic& by, std::size_t token, std::size_t i,
                 std::size_t j) const {
    const auto count = heads();
    for (std::size_t r = 0; r < options().rank; ++r) {
      double through = 0;
      for (std::size_t h = 0; h < count; ++h)
        through += a[h](i, j) * by.first(token, r * count + h);
      for (std::size_t h = 0; h < count; ++h)
        b[h](i, j) += through * by.second(token, r * count + h);
    }
    for (std::size_t h = 0; h < count; ++h) b[h](i, j) += a[h](i, j) * by.gate(token, h);
  }

  void add_static(const Heads& a, Heads& b, const std::string& side, std::size_t i,
                  std::size_t j) const {
    const auto w = weights().values(name("dyn_w_proj." + side + "_proj.w"));
    for (std::size_t h = 0; h < heads(); ++h) {
      for (std::size_t n = 0; n < heads(); ++n) b[n](i, j) += a[h](i, j) * w[h * heads() + n];
    }
  }
};

}  // namespace

std::unique_ptr<Attention> make_composed(const Config& config, const Weights& weights,
                                         std::size_t layer) {
  return std::make_unique<ComposedAttention>(config, weights, layer);
}

}  // namespace lookback::reference
