#include "tests/nn/naive_variant.h"

#include <fmt/format.h>

#include <cmath>

#include "autograd/ops.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {
namespace {

using Site = CrossLayerResidual::Site;
using Weights = CrossLayerResidual::Weights;

// A number of the shape [].
Tensor number(double value) {
  return make_f64({}, [=](std::int64_t) { return value; });
}

class NaiveModel {
 public:
  NaiveModel(const LlamaConfig& config, const ParametersByName& named, std::int64_t tokens)
      : config_(config), parameters_(named) {
    const auto tables =
        rope_tables(tokens, config_.head_dim, config_.rope_theta, config_.rope_scaling, DType::f64);
    cos_ = cat({tables.cos, tables.cos}, -1);
    sin_ = cat({tables.sin, tables.sin}, -1);
  }

  NaiveRun run(const Tensor& ids) {
    NaiveRun result;
    auto x = embedding(ids, at("model.embed_tokens.weight"));
    for (std::int64_t l = 0; l < config_.num_hidden_layers; ++l) {
      result.hidden_states.push_back(x);
      x = layer(l, x);
      result.attention_weights.push_back(layers_.back().weights);
    }
    result.hidden_states.push_back(x);
    const auto* head = config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight";
    result.logits = matmul(norm(x, "model.norm.weight"), transpose(at(head), 0, 1));
    return result;
  }

 private:
  struct Layer {
    Tensor query, key;  // [B, H, T, dk], after rope, key heads repeated
    Tensor weights, attention_output, mlp_output;
  };

  static std::string name(std::int64_t l, std::string_view rest) {
    return fmt::format("model.layers.{}.{}", l, rest);
  }
  const Tensor& at(const std::string& parameter) const { return parameters_.at(parameter); }

  Tensor norm(const Tensor& x, const std::string& gain) const {
    const auto square = mean(x * x, {-1}, KeepDims::yes);
    return x * rsqrt(square + config_.rms_norm_eps) * at(gain);
  }

  Tensor linear(std::int64_t l, const std::string& projection, const Tensor& x) const {
    const auto y = matmul(x, transpose(at(name(l, projection + ".weight")), 0, 1));
    const auto bias = parameters_.find(name(l, projection + ".bias"));
    return bias == parameters_.end() ? y : y + bias->second;
  }

  Tensor mlp(std::int64_t l, const Tensor& x) const {
    const auto gate = linear(l, "mlp.gate_proj", x);
    return linear(l, "mlp.down_proj", gate * sigmoid(gate) * linear(l, "mlp.up_proj", x));
  }

  // [B, T, n dk] -> [B, n, T, dk], and back.
  Tensor heads(const Tensor& x, std::int64_t n) const {
    return transpose(reshape(x, {x.size(0), x.size(1), n, config_.head_dim}), 1, 2);
  }
  Tensor merged(const Tensor& x) const {
    return reshape(transpose(x, 1, 2), {x.size(0), x.size(2), x.size(1) * x.size(3)});
  }
  // [B, G, T, dk] -> [B, H, T, dk]: head h is key head h / (H / G).
  Tensor repeated(const Tensor& x) const {
    const auto group = config_.num_attention_heads / config_.num_key_value_heads;
    std::vector<std::int64_t> of_head;
    for (std::int64_t h = 0; h < config_.num_attention_heads; ++h) of_head.push_back(h / group);
    return index_select(x, 1, from_values(of_head, {config_.num_attention_heads}));
  }
  Tensor rotated(const Tensor& x) const {
    const auto half = config_.head_dim / 2;
    const auto turned = cat({negate(slice(x, 3, half, 2 * half)), slice(x, 3, 0, half)}, 3);
    return x * cos_ + turned * sin_;
  }

  Tensor attend(std::int64_t l, const Tensor& weights, const Tensor& normed) const {
    const auto values =
        repeated(heads(linear(l, "self_attn.v_proj", normed), config_.num_key_value_heads));
    return linear(l, "self_attn.o_proj", merged(matmul(weights, values)));
  }

  // s_0 .. s_l, each [].
  std::vector<Tensor> scales(std::int64_t l) const {
    const auto m = static_cast<double>(l + 1);
    const auto dk = static_cast<double>(config_.head_dim);
    const auto& kind = config_.score_scale;
    const auto learned = [&](const char* parameter) -> const Tensor& {
      return at(name(l, std::string("self_attn.modified_scaling.") + parameter));
    };
    const auto pick = [](const Tensor& x, std::int64_t i) {
      return reshape(slice(x, 0, i, i + 1), {});
    };
    std::vector<Tensor> all;
    for (std::int64_t i = 0; i <= l; ++i) {
      if (kind == "sqrt_dk") all.push_back(number(1 / std::sqrt(dk)));
      if (kind == "sqrt_dk_sqrt_m") all.push_back(number(1 / std::sqrt(dk * m)));
      if (kind == "sqrt_dk_m") all.push_back(number(1 / (std::sqrt(dk) * m)));
      if (kind == "power") {
        all.push_back(number(1) /
                      (power(number(dk), learned("a")) * power(number(m), learned("b"))));
      }
      if (kind == "power_dk") all.push_back(number(1) / power(number(dk), learned("a")));
      if (kind == "per_layer")
        all.push_back(number(1) / (exp(pick(learned("log_a_params"), i)) * std::sqrt(dk)));
      if (kind == "per_layer_share")
        all.push_back(pick(softmax(learned("score_params")), i) * (m / std::sqrt(dk)));
      if (kind == "per_layer_power") {
        all.push_back(number(1) / (pick(learned("a_params"), i) *
                                   power(number(dk), pick(learned("b_params"), i))));
      }
      if (kind == "per_layer_free") all.push_back(number(1) / pick(learned("a_params"), i));
    }
    return all;
  }

  Tensor product(const Layer& of) const { return matmul(of.query, transpose(of.key, 2, 3)); }

  Tensor scores(std::int64_t l, const Layer& own) const {
    if (config_.score_scale.empty())
      return product(own) * (1 / std::sqrt(static_cast<double>(config_.head_dim)));
    const auto s = scales(l);
    auto total = product(own) * s.at(static_cast<std::size_t>(l));
    for (std::size_t i = 0; i < layers_.size(); ++i) total = total + product(layers_[i]) * s.at(i);
    return total;
  }

  // What layer i says on another layer's input.
  Tensor again(std::int64_t i, const Tensor& x) const {
    auto attended = attend(i, layers_[static_cast<std::size_t>(i)].weights,
                           norm(x, name(i, "input_layernorm.weight")));
    if (config_.cross_layer_residual->site == Site::attention) return attended;
    return mlp(i, norm(x + attended, name(i, "post_attention_layernorm.weight")));
  }

  std::string layer_weights(std::int64_t l) const {
    const auto& cross = *config_.cross_layer_residual;
    const std::string site = cross.site == Site::mlp ? "mlp" : "attn";
    return name(l, cross.source == "stored" ? site + "_residual_weights"
                                            : "modified_residual_" + site + ".layer_weights");
  }

  // The stream after the modified site of layer l.
  Tensor combined(std::int64_t l, const Tensor& stream, const Tensor& own, const Tensor& x) const {
    if (l == 0) return stream + own;
    const auto& cross = *config_.cross_layer_residual;
    std::vector<Tensor> terms;
    for (std::int64_t i = 0; i < l; ++i) {
      const auto& stored = layers_[static_cast<std::size_t>(i)];
      terms.push_back(cross.source == "recomputed" ? again(i, x)
                      : cross.site == Site::mlp    ? stored.mlp_output
                                                   : stored.attention_output);
    }
    if (cross.include_self) terms.push_back(own);
    Tensor total;
    for (std::size_t k = 0; k < terms.size(); ++k) {
      auto term = terms[k];
      const auto place = static_cast<std::int64_t>(k);
      if (cross.weights == Weights::mean) term = term / static_cast<double>(terms.size());
      if (cross.weights == Weights::learned)
        term = term * slice(softmax(at(layer_weights(l))), 0, place, place + 1);
      total = total.defined() ? total + term : term;
    }
    return cross.stream == CrossLayerResidual::Stream::add ? stream + total : total;
  }

  Tensor layer(std::int64_t l, const Tensor& x) {
    const auto normed = norm(x, name(l, "input_layernorm.weight"));
    Layer own;
    own.query = rotated(heads(linear(l, "self_attn.q_proj", normed), config_.num_attention_heads));
    own.key = repeated(
        rotated(heads(linear(l, "self_attn.k_proj", normed), config_.num_key_value_heads)));
    own.weights = softmax(mask_scores(scores(l, own), {}));
    own.attention_output = attend(l, own.weights, normed);
    const auto& cross = config_.cross_layer_residual;
    const auto h = cross && cross->site == Site::attention ? combined(l, x, own.attention_output, x)
                                                           : x + own.attention_output;
    own.mlp_output = mlp(l, norm(h, name(l, "post_attention_layernorm.weight")));
    const auto result =
        cross && cross->site == Site::mlp ? combined(l, h, own.mlp_output, x) : h + own.mlp_output;
    layers_.push_back(std::move(own));
    return result;
  }

  const LlamaConfig& config_;
  const ParametersByName& parameters_;
  Tensor cos_, sin_;  // [T, dk]
  std::vector<Layer> layers_;
};

}  // namespace

NaiveRun naive_forward(const LlamaConfig& config, const ParametersByName& parameters,
                       const Tensor& ids) {
  return NaiveModel(config, parameters, ids.size(1)).run(ids);
}

}  // namespace lookback::testing
