// Causal softmax attention with grouped queries (Vaswani et al. 2017; Ainslie et al. 2023) and
// rotary position embeddings (Su et al. 2021): the plain Llama's.
#include "autograd/ops/cast.h"
#include "autograd/ops/linear_many.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/rope.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_mechanism.h"
#include "nn/layer/model_hooks.h"
#include "nn/layer/recorded_attention.h"
#include "nn/layer/score_scheme.h"
#include "nn/linear.h"

namespace lookback {
namespace {

class CausalAttention final : public AttentionMechanism {
 public:
  CausalAttention(ChildOf place, const LlamaConfig& config, std::int64_t layer_index,
                  Precision model_precision)
      : AttentionMechanism(std::move(place)),
        precision(model_precision),
        layer(layer_index),
        heads(config.num_attention_heads),
        key_value_heads(config.num_key_value_heads),
        head_dim(config.head_dim),
        q_proj({*this, "q_proj"}, config.hidden_size, heads * head_dim, bias_of(config),
               model_precision),
        k_proj({*this, "k_proj"}, config.hidden_size, key_value_heads * head_dim, bias_of(config),
               model_precision),
        v_proj({*this, "v_proj"}, config.hidden_size, key_value_heads * head_dim, bias_of(config),
               model_precision),
        o_proj({*this, "o_proj"}, heads * head_dim, config.hidden_size, bias_of(config),
               model_precision),
        scores(ScoreSchemes::make(config.score_scale.empty() ? "own" : config.score_scale,
                                  {*this, "modified_scaling"}, config, layer, model_precision)) {}

  RecordNeeds needs() const override { return scores->needs(); }
  const Linear& value_projection() const override { return v_proj; }
  const Linear& output_projection() const override { return o_proj; }

  Tensor forward(const Tensor& normed, const ForwardPass& pass,
                 LayerRecord& record) const override {
    const auto scope = enter();
    const auto dtype = attention_dtype(precision, pass.options, normed.device());
    // The three read one input: one operation.
    const auto projected = linear_many(normed, {q_proj.weight, k_proj.weight, v_proj.weight},
                                       {q_proj.bias, k_proj.bias, v_proj.bias}, precision.products);
    const auto query = cast(rotated(split_heads(projected[0], heads), pass), dtype);
    auto key = cast(rotated(split_heads(projected[1], key_value_heads), pass), dtype);
    auto value = cast(split_heads(projected[2], key_value_heads), dtype);
    if (auto* cache = pass.options.cache) {
      const auto all = cache->append(layer, pass.position, key, value);
      key = all.keys;
      value = all.values;
    }
    if (pass.needs.scores) {
      record.query = query;
      record.key = key;
    }
    const auto attended = record_attention(scores->pieces(query, key, pass.records), value, pass);
    if (pass.needs.replay) record.replay = attended.replay;
    return o_proj.forward(
        reshape(attended.output, {normed.size(0), normed.size(1), heads * head_dim}));
  }

 private:
  static Bias bias_of(const LlamaConfig& config) {
    return config.attention_bias ? Bias::learned : Bias::none;
  }

  // [B, T, n dk] -> [B, T, n, dk]
  Tensor split_heads(const Tensor& x, std::int64_t count) const {
    return reshape(x, {x.size(0), x.size(1), count, head_dim});
  }

  static Tensor rotated(const Tensor& x, const ForwardPass& pass) {
    return rope(x, pass.rope, pass.hooks->rotary_position(pass.position));
  }

  Precision precision;
  std::int64_t layer, heads, key_value_heads, head_dim;
  Linear q_proj, k_proj, v_proj, o_proj;
  std::unique_ptr<ScoreScheme> scores;
};

const AttentionMechanisms::Add registered{
    "causal",
    [](const ChildOf& place, const LlamaConfig& config, std::int64_t layer, Precision precision) {
      return std::make_unique<CausalAttention>(place, config, layer, precision);
    }};

}  // namespace
}  // namespace lookback
