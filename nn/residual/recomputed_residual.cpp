// source = recomputed: the terms are earlier layers run again on this layer's input x, with the
// attention weights P_i they computed the first time:
//   n_i = rms_norm(x; input_layernorm_i),  a_i = concat_heads(P_i (n_i W^V_i)) W^O_i
//   m_i = mlp_i(rms_norm(x + a_i; post_attention_layernorm_i))
// term_i is a_i at the attention site, m_i at the MLP site. All layers share x, so
//   n_i W^V_i = (x / rms(x)) (g_i W^V_i)
// with the gains g_i of the norm: x is normalized once, the gains are folded into the value
// weights, and all value projections are one operation on one input. sum_i w_i a_i, and
// sum_i w_i m_i, are one sum of products with the weights w_i W^O_i (w_i W^down_i).
#include <algorithm>

#include "autograd/grad_mode.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/linear_many.h"
#include "autograd/ops/linear_sum.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/rms_norm.h"
#include "kernels/fill.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/decoder_layer.h"
#include "nn/layer/head_projections.h"
#include "nn/layer/model_hooks.h"
#include "nn/residual/cross_layer_scheme.h"

namespace lookback {
namespace {

// The terms of a sum of projections, each times its layer's factor.
class FoldedProjections {
 public:
  explicit FoldedProjections(const LayerWeights& layer_weights) : factors_(layer_weights) {}

  void add(const Tensor& x, const Linear& projection) {
    const auto folded = [&](const Tensor& weight) {
      return factors_.each.empty() ? weight : weight * factors_.each[terms_.size()];
    };
    biases_.push_back(projection.bias.defined() ? folded(projection.bias) : Tensor{});
    if (biases_.back().defined()) bias_ = bias_.defined() ? bias_ + biases_.back() : biases_.back();
    terms_.push_back({x, folded(projection.weight)});
  }

  // What one of them adds to the sum, to be looked at.
  Tensor term(std::size_t i, Products products) const {
    const NoGrad no_grad;
    return linear(terms_[i].x, terms_[i].weight, biases_[i], products) * factors_.uniform;
  }

  Tensor sum(Products products) const {
    const auto total_bias =
        bias_.defined() && factors_.uniform != 1 ? bias_ * factors_.uniform : bias_;
    return linear_sum(terms_, total_bias, factors_.uniform, products);
  }

 private:
  const LayerWeights& factors_;
  std::vector<LinearTerm> terms_;
  std::vector<Tensor> biases_;
  Tensor bias_;  // their sum; undefined without biases
};

class RecomputedResidual final : public CrossLayerScheme {
 public:
  RecomputedResidual(ChildOf place, const LlamaConfig& config, std::int64_t layer,
                     Precision precision)
      : CrossLayerScheme(std::move(place), config, layer, precision,
                         config.cross_layer_residual->site == Site::mlp
                             ? "modified_residual_mlp.layer_weights"
                             : "modified_residual_attn.layer_weights"),
        precision_(precision),
        epsilon_(config.rms_norm_eps),
        ones_(empty({config.hidden_size}, precision_.storage)) {
    kernels::fill(ones_.backend(), {.y = ones_, .value = 1});
  }

  RecordNeeds needs() const override { return {.replay = true}; }

 private:
  Tensor earlier_total(const Tensor& x, const ForwardPass& pass,
                       const LayerWeights& factors) const override {
    const Scope scope("recompute");
    const bool linear = std::ranges::all_of(pass.records, [](const LayerRecord& record) {
      return record.layer->self_attn->linear_values() != nullptr;
    });
    return linear ? folded_total(x, pass, factors) : total_of_outputs(x, pass, factors);
  }

  // All layers' projections at once, where their values and outputs are single projections.
  Tensor folded_total(const Tensor& x, const ForwardPass& pass, const LayerWeights& factors) const {
    const auto values = values_of_earlier(x, pass);
    FoldedProjections projections(factors);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Scope of_layer(std::to_string(i));
      const auto& layer_i = *pass.records[i].layer;
      const auto flat = [&] {
        const Scope scope("self_attn");
        return joined_heads(attend(pass, i, values[i]));
      }();
      const auto& output = layer_i.self_attn->linear_values()->output;
      if (cross_.site == Site::attention) {
        projections.add(flat, output);
      } else {
        const auto attention_output = [&] {
          const Scope scope("self_attn");
          return output.forward(flat);
        }();
        projections.add(hidden_of_mlp(layer_i, attention_output, x), layer_i.mlp.down_proj);
      }
    }
    for (std::size_t i = 0; pass.options.trace != nullptr && i < values.size(); ++i) {
      trace_term(pass, static_cast<std::int64_t>(i), projections.term(i, precision_.products));
    }
    return projections.sum(precision_.products);
  }

  // Layer by layer, for any mechanism.
  Tensor total_of_outputs(const Tensor& x, const ForwardPass& pass,
                          const LayerWeights& factors) const {
    Tensor total;
    for (std::size_t i = 0; i < pass.records.size(); ++i) {
      const Scope of_layer(std::to_string(i));
      const auto term = output_of(pass, i, x);
      const auto weighted = factors.each.empty() ? term * factors.uniform : term * factors.each[i];
      trace_term(pass, static_cast<std::int64_t>(i), weighted);
      total = total.defined() ? total + weighted : weighted;
    }
    return total;
  }

  // term_i.
  Tensor output_of(const ForwardPass& pass, std::size_t i, const Tensor& x) const {
    const auto& record = pass.records[i];
    const auto& layer_i = *record.layer;
    const auto dtype = attention_dtype(precision_, pass.options, x.device());
    const auto normed = layer_i.input_layernorm.forward(x);
    const auto attended = [&] {
      const Scope scope("self_attn");
      const auto values = with_cached(cast(layer_i.self_attn->values(normed), dtype), pass, i);
      const auto& attention = *layer_i.self_attn;
      return pass.hooks->output_again(attention, normed,
                                      attend(pass, i, attention.attendable(values)), record);
    }();
    if (cross_.site == Site::attention) return attended;
    return layer_i.mlp.down_proj.forward(hidden_of_mlp(layer_i, attended, x));
  }

  // The values of every earlier layer on x: [B, S, G, dk] each.
  std::vector<Tensor> values_of_earlier(const Tensor& x, const ForwardPass& pass) const {
    const auto normalized = rms_norm(x, ones_, epsilon_);
    std::vector<Tensor> weights, biases;
    for (const auto& record : pass.records) {
      weights.push_back(record.value_weight);
      biases.push_back(record.layer->self_attn->linear_values()->value.bias);
    }
    auto values = linear_many(normalized, weights, biases, precision_.products);
    const auto dtype = attention_dtype(precision_, pass.options, x.device());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto& flat = values[i];
      const auto head_dim = pass.records[i].layer->self_attn->linear_values()->head_dim;
      values[i] = cast(
          reshape(flat, {flat.size(0), flat.size(1), flat.size(2) / head_dim, head_dim}), dtype);
      values[i] = with_cached(values[i], pass, i);
    }
    return values;
  }

  // Behind those of the positions before, where they are cached.
  Tensor with_cached(const Tensor& values, const ForwardPass& pass, std::size_t i) const {
    auto* cache = pass.options.cache;
    if (cache == nullptr || pass.records[i].replay->running() != nullptr) return values;
    return cache->values_again(layer_, static_cast<std::int64_t>(i)).append(pass.position, values);
  }

  // The attention of layer i on these values, [B, T, H, w].
  Tensor attend(const ForwardPass& pass, std::size_t i, const Tensor& values) const {
    const auto& replay = pass.records[i].replay;
    auto* cache = pass.options.cache;
    const auto* running = cache == nullptr ? nullptr : replay->running();
    const auto attended =
        running == nullptr ? replay->apply(values)
                           : running->apply_behind(
                                 values, cache->state_again(layer_, static_cast<std::int64_t>(i)));
    if (auto* trace = pass.options.trace) {
      trace->replays.push_back({.layer = layer_,
                                .source = static_cast<std::int64_t>(i),
                                .replay = replay,
                                .scope = Scope::current(),
                                .where = std::source_location::current()});
    }
    return attended;
  }

  // What goes into the down projection of layer i behind this output of its attention.
  static Tensor hidden_of_mlp(const DecoderLayer& layer_i, const Tensor& attended,
                              const Tensor& x) {
    return layer_i.mlp.hidden(layer_i.post_attention_layernorm.forward({x, attended}).normed);
  }

  Precision precision_;
  double epsilon_;
  Tensor ones_;
};

class RecomputedKind final : public ResidualKind {
 public:
  std::unique_ptr<ResidualScheme> make(const ChildOf& place, const LlamaConfig& config,
                                       std::int64_t layer, Precision precision) const override {
    return std::make_unique<RecomputedResidual>(place, config, layer, precision);
  }
  bool reruns_layers() const override { return true; }
  std::string_view terms() const override { return "run again on its own input"; }
  std::string_view simpler_source() const override { return "stored"; }
  std::string_view ladder_step() const override {
    return "recomputation: earlier layers run again with their masked weights";
  }
};

const ResidualSchemes::Add registered{"recomputed",
                                      [] { return std::make_unique<RecomputedKind>(); }};

}  // namespace
}  // namespace lookback
