#include "apps/diagnosis/reference/attention.h"

#include <cmath>
#include <limits>
#include <map>

#include "apps/diagnosis/reference/positions.h"

namespace lookback::reference {

Attention::Attention(const Config& config, const Weights& weights, std::size_t layer)
    : config_(config), weights_(weights), layer_(layer) {}

std::string Attention::name(const std::string& part) const {
  return "model.layers." + std::to_string(layer_) + ".self_attn." + part;
}

Matrix Attention::linear(const Matrix& x, const std::string& part) const {
  return weights_.linear(x, name(part));
}

Matrix Attention::clipped(Matrix x) const {
  return options().clip_qkv ? clamp(std::move(x), *options().clip_qkv) : x;
}

Matrix Attention::turned_by_position(const Matrix& x) const {
  return options().positions == "rope" ? with_rotary_positions(x, config_) : x;
}

Matrix Attention::normed(const Matrix& x, const std::string& which) const {
  const auto& kind = options().qk_norm;
  if (kind == "layer_norm") {
    return layer_norm(x, weights_.values(name(which + "_ln.weight")),
                      weights_.values(name(which + "_ln.bias")), 1e-5);
  }
  if (kind == "rms_norm")
    return rms_norm(x, weights_.values(name(which + "_norm.weight")), config_.rms_norm_eps);
  return x;
}

Heads Attention::normed_heads(Heads x, const std::string& which) const {
  if (options().qk_norm != "rms_norm_per_head") return x;
  for (auto& head : x)
    head = rms_norm(head, weights_.values(name(which + "_norm.weight")), config_.rms_norm_eps);
  return x;
}

Heads Attention::projected(const Matrix& n, const std::string& which) const {
  const auto x = normed(clipped(linear(n, which + "_proj")), which);
  return normed_heads(split(x, which == "q" ? heads() : config_.num_key_value_heads), which);
}

Heads Attention::queries(const Matrix& n) const {
  auto q = projected(n, "q");
  for (auto& head : q) head = turned_by_position(head);
  return q;
}

Heads Attention::keys(const Matrix& n) const {
  auto k = projected(n, "k");
  for (auto& head : k) head = turned_by_position(head);
  return for_all_heads(k);
}

Heads Attention::for_all_heads(const Heads& few) const {
  Heads all;
  for (std::size_t h = 0; h < heads(); ++h) all.push_back(few[h * few.size() / heads()]);
  return all;
}

Heads Attention::raw_scores(const Matrix& n) const {
  const auto q = queries(n), k = keys(n);
  Heads scores;
  for (std::size_t h = 0; h < heads(); ++h) {
    Matrix s(n.rows(), n.rows());
    for (std::size_t i = 0; i < n.rows(); ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        for (std::size_t d = 0; d < q[h].columns(); ++d) s(i, j) += q[h](i, d) * k[h](j, d);
      }
    }
    scores.push_back(s);
  }
  return scores;
}

double Attention::score_width() const { return static_cast<double>(config_.head_dim); }

double Attention::scale() const {
  return options().softmax_scale.value_or(1 / std::sqrt(score_width()));
}

Heads Attention::capped_and_biased(Heads scores) const {
  if (const auto cap = options().soft_cap) {
    for (auto& head : scores) {
      for (double& s : head.values()) s = *cap * std::tanh(s / *cap);
    }
  }
  if (options().positions != "alibi") return scores;
  const auto slopes = alibi_slopes(heads(), options().alibi_bias_max);
  for (std::size_t h = 0; h < heads(); ++h) {
    for (std::size_t i = 0; i < scores[h].rows(); ++i) {
      for (std::size_t j = 0; j <= i; ++j)
        scores[h](i, j) -= slopes[h] * static_cast<double>(i - j);
    }
  }
  return scores;
}

Heads Attention::masked_softmax(Heads scores) const {
  constexpr double hidden = -std::numeric_limits<double>::infinity();
  for (std::size_t h = 0; h < heads(); ++h) {
    for (std::size_t i = 0; i < scores[h].rows(); ++i) {
      const auto sees = visible_keys(options().pattern, layer_, h, i);
      const auto row = scores[h].row(i);
      for (std::size_t j = 0; j < row.size(); ++j) {
        if (j > i || !sees[j]) row[j] = hidden;
      }
      softmax(row);
    }
  }
  return scores;
}

Look Attention::look(const Matrix&, const Heads& scores) const {
  return {.weights = masked_softmax(capped_and_biased(scores))};
}

Heads Attention::values(const Matrix& n) const {
  return for_all_heads(split(clipped(linear(n, "v_proj")), config_.num_key_value_heads));
}

Heads Attention::applied(const Heads& weights, const Heads& values) {
  Heads all;
  for (std::size_t h = 0; h < weights.size(); ++h) {
    Matrix y(weights[h].rows(), values[h].columns());
    for (std::size_t i = 0; i < y.rows(); ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        for (std::size_t d = 0; d < y.columns(); ++d) y(i, d) += weights[h](i, j) * values[h](j, d);
      }
    }
    all.push_back(y);
  }
  return all;
}

Matrix Attention::apply(const Look& look, const Heads& values) const {
  return linear(join(applied(look.weights, values)), "o_proj");
}

std::unique_ptr<Attention> make_attention(const Config& config, const Weights& weights,
                                          std::size_t layer) {
  static const std::map<std::string, MakeAttention*> types = {{"mla", make_latent},
                                                              {"collaborative", make_collaborative},
                                                              {"mohsa", make_overlapping},
                                                              {"moh", make_mixture_of_heads},
                                                              {"moa", make_mixture_of_experts},
                                                              {"dcmha", make_composed},
                                                              {"linear", make_linear_attention}};
  const auto& options = config.attention[layer];
  const auto found = types.find(options.type);
  if (config.budget) {
    if (found != types.end() || options.pattern)
      throw UnknownToReference("[reference] a cache with a budget is of plain attention alone");
    return make_bounded(config, weights, layer);
  }
  if (found == types.end()) return std::make_unique<Attention>(config, weights, layer);
  return found->second(config, weights, layer);
}

}  // namespace lookback::reference
