// Types that choose per token. moh: each token weighs its heads, some of which are shared by all
// tokens (Jin et al. 2024). moa: each token takes some experts, which have queries and outputs of
// their own, while keys and values are common (Zhang et al. 2022).
#include <cmath>

#include "apps/diagnosis/reference/attention.h"

namespace lookback::reference {
namespace {

Matrix softmax_of_rows(Matrix x) {
  for (std::size_t t = 0; t < x.rows(); ++t) softmax(x.row(t));
  return x;
}

// 1 for the k largest of each row, else 0.
Matrix choice_of(const Matrix& x, std::size_t k) {
  Matrix chosen(x.rows(), x.columns());
  for (std::size_t t = 0; t < x.rows(); ++t) {
    for (const auto e : largest(x.row(t), k)) chosen(t, e) = 1;
  }
  return chosen;
}

class MixtureOfHeads final : public Attention {
 public:
  using Attention::Attention;

  Look look(const Matrix& n, const Heads& scores) const override {
    auto look = Attention::look(n, scores);
    if (options().router == "query_norm") {
      look.gates = longest_queries(n);
      return look;
    }
    look.router_logits = linear(n, "wg");
    look.chosen = choice_of(look.router_logits, options().num_selected_heads);
    look.gates = learned_gates(n, look);
    return look;
  }

  Matrix apply(const Look& look, const Heads& values) const override {
    auto outputs = applied(look.weights, values);
    for (std::size_t h = 0; h < outputs.size(); ++h) {
      for (std::size_t t = 0; t < outputs[h].rows(); ++t) {
        for (double& y : outputs[h].row(t)) y *= look.gates(t, h);
      }
    }
    return linear(join(outputs), "o_proj");
  }

 private:
  std::size_t shared() const { return options().num_shared_heads; }

  // Gates 0 and 1: the shared heads, and those whose queries are longest.
  Matrix longest_queries(const Matrix& n) const {
    const auto q = projected(n, "q");
    Matrix lengths(n.rows(), heads() - shared());
    for (std::size_t h = shared(); h < heads(); ++h) {
      for (std::size_t t = 0; t < n.rows(); ++t) {
        double squares = 0;
        for (const double value : q[h].row(t)) squares += value * value;
        lengths(t, h - shared()) = std::sqrt(squares);
      }
    }
    const auto chosen = choice_of(lengths, options().num_selected_heads);
    Matrix gates(n.rows(), heads());
    for (std::size_t t = 0; t < n.rows(); ++t) {
      for (std::size_t h = 0; h < heads(); ++h)
        gates(t, h) = h < shared() ? 1 : chosen(t, h - shared());
    }
    return gates;
  }

  // The chosen heads share K by their probabilities, the shared ones theirs; two numbers per token
  // say how much either side counts.
  Matrix learned_gates(const Matrix& n, const Look& look) const {
    const auto probability = softmax_of_rows(look.router_logits);
    const auto sides = shared() > 0 ? softmax_of_rows(linear(n, "wg_0")) : Matrix();
    const auto among_shared = shared() > 1 ? softmax_of_rows(linear(n, "wg_1")) : Matrix();
    const auto selected = static_cast<double>(options().num_selected_heads);
    Matrix gates(n.rows(), heads());
    for (std::size_t t = 0; t < n.rows(); ++t) {
      double total = 0;
      for (std::size_t e = 0; e < probability.columns(); ++e)
        total += probability(t, e) * look.chosen(t, e);
      for (std::size_t h = 0; h < shared(); ++h) {
        const double share = shared() > 1 ? among_shared(t, h) : 1;
        gates(t, h) = 2 * sides(t, 0) * static_cast<double>(shared()) * share;
      }
      for (std::size_t e = 0; e < probability.columns(); ++e) {
        const double routed = selected * probability(t, e) * look.chosen(t, e) / total;
        gates(t, shared() + e) = shared() > 0 ? 2 * sides(t, 1) * routed : routed;
      }
    }
    return gates;
  }
};

class MixtureOfExperts final : public Attention {
 public:
  using Attention::Attention;

  Look look(const Matrix& n, const Heads& scores) const override {
    auto look = Attention::look(n, scores);
    look.router_logits = linear(n, "experts.router.layer");
    look.experts = experts_of(look.router_logits);
    look.chosen = choice_of(look.router_logits, options().num_experts_per_tok);
    look.gates = softmax_of_rows(look.router_logits);
    for (std::size_t t = 0; t < n.rows(); ++t) {
      double total = options().norm_topk_prob ? 0 : 1;
      for (std::size_t e = 0; e < look.gates.columns(); ++e) {
        look.gates(t, e) *= look.chosen(t, e);
        if (options().norm_topk_prob) total += look.gates(t, e);
      }
      for (double& gate : look.gates.row(t)) gate /= total;
    }
    return look;
  }

  // y[t] = sum over the chosen experts e of gate[t, e] W_e (heads of their slot, side by side)
  Matrix apply(const Look& look, const Heads& values) const override {
    const auto outputs = applied(look.weights, values);
    const auto& weight = weights().at(name("experts.output_linear.weight"));  // [E, D, G dk]
    const auto hidden = weight.shape[1], width = weight.shape[2], dk = config().head_dim;
    Matrix y(outputs[0].rows(), hidden);
    for (std::size_t t = 0; t < y.rows(); ++t) {
      for (std::size_t slot = 0; slot < look.experts[t].size(); ++slot) {
        const auto expert = look.experts[t][slot];
        for (std::size_t o = 0; o < hidden; ++o) {
          double total = 0;
          for (std::size_t i = 0; i < width; ++i) {
            total += weight.values[(expert * hidden + o) * width + i] *
                     outputs[head_of(i / dk, slot)](t, i % dk);
          }
          y(t, o) += look.gates(t, expert) * total;
        }
      }
    }
    if (!weights().has(name("experts.bias"))) return y;
    const auto bias = weights().values(name("experts.bias"));
    for (std::size_t t = 0; t < y.rows(); ++t) {
      for (std::size_t o = 0; o < hidden; ++o) y(t, o) += bias[o];
    }
    return y;
  }

 protected:
  // Head g k + slot: what the token's expert number `slot` asks key head g.
  Heads queries(const Matrix& n) const override {
    const auto experts = experts_of(linear(n, "experts.router.layer"));
    const auto& weight = weights().at(name("experts.input_linear.weight"));  // [E, G dk, D]
    const auto width = weight.shape[1], hidden = weight.shape[2], dk = config().head_dim;
    Heads q(heads(), Matrix(n.rows(), dk));
    for (std::size_t t = 0; t < n.rows(); ++t) {
      for (std::size_t slot = 0; slot < experts[t].size(); ++slot) {
        for (std::size_t o = 0; o < width; ++o) {
          double total = 0;
          for (std::size_t i = 0; i < hidden; ++i)
            total += weight.values[(experts[t][slot] * width + o) * hidden + i] * n(t, i);
          q[head_of(o / dk, slot)](t, o % dk) = total;
        }
      }
    }
    for (auto& head : q) head = clipped(head);
    q = normed_heads(q, "q");
    for (auto& head : q) head = turned_by_position(head);
    return q;
  }

 private:
  std::size_t head_of(std::size_t key_head, std::size_t slot) const {
    return key_head * options().num_experts_per_tok + slot;
  }
  std::vector<std::vector<std::size_t>> experts_of(const Matrix& logits) const {
    std::vector<std::vector<std::size_t>> all;
    for (std::size_t t = 0; t < logits.rows(); ++t)
      all.push_back(largest(logits.row(t), options().num_experts_per_tok));
    return all;
  }
};

}  // namespace

std::unique_ptr<Attention> make_mixture_of_heads(const Config& config, const Weights& weights,
                                                 std::size_t layer) {
  return std::make_unique<MixtureOfHeads>(config, weights, layer);
}

std::unique_ptr<Attention> make_mixture_of_experts(const Config& config, const Weights& weights,
                                                   std::size_t layer) {
  return std::make_unique<MixtureOfExperts>(config, weights, layer);
}

}  // namespace lookback::reference
