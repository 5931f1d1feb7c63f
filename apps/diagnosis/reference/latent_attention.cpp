// mla: keys and values of all heads come from one latent per token, and one part of the keys,
// which positions turn, is the same for all heads (DeepSeek-AI 2024).
#include "apps/diagnosis/reference/attention.h"
#include "apps/diagnosis/reference/positions.h"

namespace lookback::reference {
namespace {

constexpr double latent_epsilon = 1e-6;

class LatentAttention final : public Attention {
 public:
  using Attention::Attention;

  double score_width() const override {
    return static_cast<double>(options().qk_nope_head_dim + options().qk_rope_head_dim);
  }
  double scale() const override { return Attention::scale() * yarn_score_factor(config()); }

  Heads values(const Matrix& n) const override {
    Heads v;
    for (const auto& head : up(n))
      v.push_back(columns(head, options().qk_nope_head_dim, options().v_head_dim));
    return v;
  }

 protected:
  Heads queries(const Matrix& n) const override {
    const bool compressed = options().q_lora_rank > 0;
    const auto q =
        compressed
            ? linear(rms_norm(linear(n, "q_a_proj"), weights().values(name("q_a_layernorm.weight")),
                              latent_epsilon),
                     "q_b_proj")
            : linear(n, "q_proj");
    const auto nope = options().qk_nope_head_dim;
    Heads all;
    for (const auto& head : split(q, heads())) {
      const auto turned = turned_in_pairs(columns(head, nope, options().qk_rope_head_dim));
      all.push_back(side_by_side(columns(head, 0, nope), turned));
    }
    return all;
  }

  Heads keys(const Matrix& n) const override {
    const auto both = linear(n, "kv_a_proj_with_mqa");
    const auto turned =
        turned_in_pairs(columns(both, options().kv_lora_rank, options().qk_rope_head_dim));
    Heads all;
    for (const auto& head : up(n))
      all.push_back(side_by_side(columns(head, 0, options().qk_nope_head_dim), turned));
    return all;
  }

 private:
  // Keys without positions and values of each head, side by side.
  Heads up(const Matrix& n) const {
    const auto latent = columns(linear(n, "kv_a_proj_with_mqa"), 0, options().kv_lora_rank);
    const auto gain = weights().values(name("kv_a_layernorm.weight"));
    return split(linear(rms_norm(latent, gain, latent_epsilon), "kv_b_proj"), heads());
  }

  // Pairs (2d, 2d + 1) are brought to (d, d + width / 2) first, where the model says so.
  Matrix turned_in_pairs(const Matrix& x) const {
    if (!options().rope_interleave) return turned_by_position(x);
    const auto half = x.columns() / 2;
    Matrix y(x.rows(), x.columns());
    for (std::size_t t = 0; t < x.rows(); ++t) {
      for (std::size_t d = 0; d < half; ++d) {
        y(t, d) = x(t, 2 * d);
        y(t, d + half) = x(t, 2 * d + 1);
      }
    }
    return turned_by_position(y);
  }

  static Matrix side_by_side(const Matrix& a, const Matrix& b) {
    Matrix y(a.rows(), a.columns() + b.columns());
    for (std::size_t t = 0; t < y.rows(); ++t) {
      for (std::size_t d = 0; d < y.columns(); ++d)
        y(t, d) = d < a.columns() ? a(t, d) : b(t, d - a.columns());
    }
    return y;
  }
};

}  // namespace

std::unique_ptr<Attention> make_latent(const Config& config, const Weights& weights,
                                       std::size_t layer) {
  return std::make_unique<LatentAttention>(config, weights, layer);
}

}  // namespace lookback::reference
