#include "apps/diagnosis/reference/model.h"

#include <cmath>

namespace lookback::reference {
namespace {

// What later layers need of an earlier one.
struct Record {
  Look look;
  Matrix attention_output = {}, mlp_output = {};
};

class Forward {
 public:
  Forward(const Config& config, const Weights& weights) : config_(config), weights_(weights) {
    for (std::size_t layer = 0; layer < config.num_hidden_layers; ++layer)
      attention_.push_back(make_attention(config, weights, layer));
  }

  Run run(const std::vector<std::int64_t>& tokens) {
    Run result;
    auto x = embedded(tokens);
    for (std::size_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      result.hidden.push_back(x);
      x = decoder_layer(layer, x);
    }
    result.hidden.push_back(x);
    for (auto& record : records_) {
      result.looks.push_back(std::move(record.look));
      result.attention_outputs.push_back(std::move(record.attention_output));
      result.mlp_outputs.push_back(std::move(record.mlp_output));
    }
    result.auxiliary_loss = auxiliary_loss(result.looks);
    const auto last = rms_norm(x, weights_.values("model.norm.weight"), config_.rms_norm_eps);
    const auto* head = config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
    result.logits = product(last, weights_.turned(head));
    return result;
  }

 private:
  static std::string name(std::size_t layer, const std::string& part) {
    return "model.layers." + std::to_string(layer) + "." + part;
  }

  Matrix embedded(const std::vector<std::int64_t>& tokens) const {
    const auto table = weights_.values("model.embed_tokens.weight");
    Matrix x(tokens.size(), config_.hidden_size);
    for (std::size_t t = 0; t < x.rows(); ++t) {
      const auto row = static_cast<std::size_t>(tokens[t]) * config_.hidden_size;
      for (std::size_t d = 0; d < x.columns(); ++d) x(t, d) = table[row + d];
    }
    return x;
  }

  Matrix normed(std::size_t layer, const char* norm, const Matrix& x) const {
    return rms_norm(x, weights_.values(name(layer, norm) + ".weight"), config_.rms_norm_eps);
  }

  // down(silu(gate(n)) up(n)), silu(x) = x / (1 + e^-x), n the norm of h
  Matrix mlp(std::size_t layer, const Matrix& h) const {
    const auto n = normed(layer, "post_attention_layernorm", h);
    auto gate = weights_.linear(n, name(layer, "mlp.gate_proj"));
    const auto up = weights_.linear(n, name(layer, "mlp.up_proj"));
    for (std::size_t i = 0; i < gate.values().size(); ++i) {
      double& x = gate.values()[i];
      x = x / (1 + std::exp(-x)) * up.values()[i];
    }
    return weights_.linear(gate, name(layer, "mlp.down_proj"));
  }

  Matrix decoder_layer(std::size_t layer, const Matrix& x) {
    const auto n = normed(layer, "input_layernorm", x);
    const auto& attention = *attention_[layer];
    records_.push_back({.look = attention.look(n, scores(layer, n))});
    auto& record = records_.back();
    record.attention_output = attention.apply(record.look, attention.values(n));
    const auto h = at("attention") ? combined(layer, x, x, &Record::attention_output)
                                   : sum(x, record.attention_output);
    record.mlp_output = mlp(layer, h);
    return at("mlp") ? combined(layer, h, x, &Record::mlp_output) : sum(h, record.mlp_output);
  }

  bool at(const char* site) const {
    return config_.cross_layer && config_.cross_layer->site == site;
  }

  // Scaled scores of the layer; under score_accumulation sum_i s_i S_i over the layers so far.
  Heads scores(std::size_t layer, const Matrix& n) {
    const auto& attention = *attention_[layer];
    auto own = attention.raw_scores(n);
    if (config_.score_scale.empty()) {
      const double scale = attention.scale();
      for (auto& head : own) {
        for (double& s : head.values()) s *= scale;
      }
      return own;
    }
    raw_scores_.push_back(own);
    const auto factors = score_factors(layer);
    Heads total(own.size(), Matrix(n.rows(), n.rows()));
    for (std::size_t i = 0; i <= layer; ++i) {
      for (std::size_t h = 0; h < total.size(); ++h)
        total[h] = sum(total[h], raw_scores_[i][h], factors[i]);
    }
    return total;
  }

  // s_0 .. s_l of layer l, which adds up m = l + 1 scores of width dk.
  std::vector<double> score_factors(std::size_t layer) const {
    const auto& kind = config_.score_scale;
    const double dk = attention_[0]->score_width(), m = static_cast<double>(layer + 1);
    const auto learned = [&](const char* part) {
      return weights_.values(name(layer, "self_attn.modified_scaling.") + part);
    };
    std::vector<double> s(layer + 1);
    for (std::size_t i = 0; i <= layer; ++i) {
      if (kind == "sqrt_dk") s[i] = 1 / std::sqrt(dk);
      if (kind == "sqrt_dk_sqrt_m") s[i] = 1 / std::sqrt(dk * m);
      if (kind == "sqrt_dk_m") s[i] = 1 / (std::sqrt(dk) * m);
      if (kind == "power")
        s[i] = 1 / (std::pow(dk, learned("a")[0]) * std::pow(m, learned("b")[0]));
      if (kind == "power_dk") s[i] = 1 / std::pow(dk, learned("a")[0]);
      if (kind == "per_layer") s[i] = 1 / (std::exp(learned("log_a_params")[i]) * std::sqrt(dk));
      if (kind == "per_layer_share") s[i] = learned("score_params")[i];
      if (kind == "per_layer_power")
        s[i] = 1 / (learned("a_params")[i] * std::pow(dk, learned("b_params")[i]));
      if (kind == "per_layer_free") s[i] = 1 / learned("a_params")[i];
    }
    if (kind == "per_layer_share") {
      softmax(s);
      for (double& share : s) share *= m / std::sqrt(dk);
    }
    return s;
  }

  // The residual sum at the site that looks back: the stream, and the outputs of the earlier
  // layers, as they were or run again on x, this layer's input.
  Matrix combined(std::size_t layer, const Matrix& stream, const Matrix& x,
                  Matrix Record::*output) const {
    const auto& cross = *config_.cross_layer;
    const auto& own = records_[layer].*output;
    if (layer == 0) return sum(stream, own);
    std::vector<Matrix> terms;
    for (std::size_t i = 0; i < layer; ++i)
      terms.push_back(cross.source == "stored" ? records_[i].*output : run_again(i, x));
    if (cross.include_self) terms.push_back(own);
    const auto shares = shares_of(layer, terms.size());
    Matrix total(x.rows(), x.columns());
    for (std::size_t i = 0; i < terms.size(); ++i) total = sum(total, terms[i], shares[i]);
    return cross.replaces_stream ? total : sum(stream, total);
  }

  // Layer i on another input: it attends as it did, to new values.
  Matrix run_again(std::size_t layer, const Matrix& x) const {
    const auto& attention = *attention_[layer];
    const auto n = normed(layer, "input_layernorm", x);
    const auto a = attention.apply(records_[layer].look, attention.values(n));
    return config_.cross_layer->site == "attention" ? a : mlp(layer, sum(x, a));
  }

  std::vector<double> shares_of(std::size_t layer, std::size_t count) const {
    const auto& cross = *config_.cross_layer;
    if (cross.weights == "sum") return std::vector<double>(count, 1);
    if (cross.weights == "mean") return std::vector<double>(count, 1 / static_cast<double>(count));
    const std::string site = cross.site == "mlp" ? "mlp" : "attn";
    const auto learned = weights_.values(
        name(layer, cross.source == "stored" ? site + "_residual_weights"
                                             : "modified_residual_" + site + ".layer_weights"));
    std::vector<double> shares(learned.begin(), learned.end());
    softmax(shares);
    return shares;
  }

  double auxiliary_loss(const std::vector<Look>& looks) const {
    double total = 0, layers = 0;
    for (std::size_t layer = 0; layer < looks.size(); ++layer) {
      if (looks[layer].router_logits.rows() == 0) continue;
      total += router_loss(config_.attention[layer], looks[layer]);
      ++layers;
    }
    return layers == 0 ? 0 : total / layers;
  }

  // balance: E times sum_e (share of tokens that chose e) (mean probability of e); z: the mean
  // square of log sum_e exp(logit). Over the tokens of the sequence.
  static double router_loss(const AttentionConfig& options, const Look& look) {
    const auto tokens = static_cast<double>(look.chosen.rows());
    const auto experts = look.chosen.columns();
    std::vector<double> chosen(experts), probability(experts);
    double z = 0;
    for (std::size_t t = 0; t < look.chosen.rows(); ++t) {
      const auto logits = look.router_logits.row(t);
      const double top = log_sum_exp(logits);
      z += top * top / tokens;
      for (std::size_t e = 0; e < experts; ++e) {
        chosen[e] += look.chosen(t, e) / tokens;
        probability[e] += std::exp(logits[e] - top) / tokens;
      }
    }
    double balance = 0;
    for (std::size_t e = 0; e < experts; ++e)
      balance += static_cast<double>(experts) * chosen[e] * probability[e];
    return options.balance_loss * balance + options.z_loss * z;
  }

  const Config& config_;
  const Weights& weights_;
  std::vector<std::unique_ptr<Attention>> attention_;
  std::vector<Record> records_;
  std::vector<Heads> raw_scores_;  // of the layers so far, under score_accumulation
};

}  // namespace

Run run(const Config& config, const Weights& weights, const std::vector<std::int64_t>& tokens) {
  return Forward(config, weights).run(tokens);
}

double sum_of_losses(const Run& run, const std::vector<std::int64_t>& targets) {
  double total = 0;
  for (std::size_t t = 0; t < targets.size(); ++t) {
    if (targets[t] < 0) continue;
    const auto logits = run.logits.row(t);
    total += log_sum_exp(logits) - logits[static_cast<std::size_t>(targets[t])];
  }
  return total;
}

}  // namespace lookback::reference
