// Causal softmax attention with grouped queries (Vaswani et al. 2017; Ainslie et al. 2023) and
// rotary position embeddings (Su et al. 2021): the plain Llama's.
#include <memory>

#include "autograd/ops/cast.h"
#include "autograd/ops/linear_many.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/rope.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_mechanism.h"
#include "nn/layer/attention_scores.h"
#include "nn/layer/model_hooks.h"
#include "nn/linear.h"

namespace lookback {
namespace {

class CausalOptions final : public AttentionOptions {
 public:
  explicit CausalOptions(const AttentionText& text) : AttentionOptions(default_type, text, {}) {}
  std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                           std::int64_t layer, Precision precision) const override;
  std::optional<std::int64_t> score_width(const LlamaConfig& config) const override {
    return config.head_dim;
  }
  std::shared_ptr<const AttentionOptions> resized(const LlamaConfig&) const override {
    return std::make_shared<CausalOptions>(*this);
  }
};

// Keys after rope and values of all positions so far, [B, S, G, dk].
struct CausalCache final : LayerCache {
  explicit CausalCache(const CacheRoom& room) : keys(room), values(room) {}
  std::size_t bytes_per_token() const override {
    return keys.bytes_per_token() + values.bytes_per_token();
  }
  CachedRows keys, values;
};

class CausalAttention final : public AttentionMechanism {
 public:
  CausalAttention(const ChildOf& place, const CausalOptions& options, const LlamaConfig& config,
                  std::int64_t layer, Precision precision)
      : AttentionMechanism(place),
        precision_(precision),
        layer_(layer),
        heads_(config.num_attention_heads),
        key_value_heads_(config.num_key_value_heads),
        head_dim_(config.head_dim),
        q_proj_({*this, "q_proj"}, config.hidden_size, heads_ * head_dim_,
                bias_if(config.attention_bias), precision),
        k_proj_({*this, "k_proj"}, config.hidden_size, key_value_heads_ * head_dim_,
                bias_if(config.attention_bias), precision),
        v_proj_({*this, "v_proj"}, config.hidden_size, key_value_heads_ * head_dim_,
                bias_if(config.attention_bias), precision),
        o_proj_({*this, "o_proj"}, heads_ * head_dim_, config.hidden_size,
                bias_if(options.out_bias(config)), precision),
        scores_(*this, options, config, layer_, head_dim_, precision) {}

  RecordNeeds needs() const override { return scores_.needs(); }
  const LinearValues* linear_values() const override { return &linear_; }
  ScoreWeights score_weights() const override {
    return {.queries = {"q_proj.weight"}, .keys = {"k_proj.weight"}};
  }

  Tensor forward(const Tensor& normed, const ForwardPass& pass,
                 LayerRecord& record) const override {
    const auto scope = enter();
    const auto dtype = attention_dtype(precision_, pass.options, normed.device());
    // The three read one input: one operation.
    const auto projected =
        linear_many(normed, {q_proj_.weight, k_proj_.weight, v_proj_.weight},
                    {q_proj_.bias, k_proj_.bias, v_proj_.bias}, precision_.products);
    const auto query = cast(rotated(split_heads(projected[0], heads_), pass), dtype);
    auto key = cast(rotated(split_heads(projected[1], key_value_heads_), pass), dtype);
    auto value = cast(split_heads(projected[2], key_value_heads_), dtype);
    if (pass.options.cache != nullptr) {
      auto& cache = pass.options.cache->of_layer<CausalCache>(layer_);
      key = cache.keys.append(pass.position, key);
      value = cache.values.append(pass.position, value);
    }
    return output(scores_.attend(query, key, value, pass, record), record);
  }

  Tensor values(const Tensor& normed) const override {
    return split_heads(v_proj_.forward(normed), key_value_heads_);
  }

  Tensor output(const Tensor& attended, const LayerRecord&) const override {
    return o_proj_.forward(
        reshape(attended, {attended.size(0), attended.size(1), heads_ * head_dim_}));
  }

 private:
  // [B, T, n dk] -> [B, T, n, dk]
  Tensor split_heads(const Tensor& x, std::int64_t count) const {
    return reshape(x, {x.size(0), x.size(1), count, head_dim_});
  }

  Tensor rotated(const Tensor& x, const ForwardPass& pass) const {
    return rope(x, pass.rope(head_dim_), pass.hooks->rotary_position(pass.position));
  }

  Precision precision_;
  std::int64_t layer_, heads_, key_value_heads_, head_dim_;
  Linear q_proj_, k_proj_, v_proj_, o_proj_;
  LinearValues linear_{v_proj_, o_proj_, head_dim_};
  AttentionScores scores_;
};

std::unique_ptr<AttentionMechanism> CausalOptions::make(const ChildOf& place,
                                                        const LlamaConfig& config,
                                                        std::int64_t layer,
                                                        Precision precision) const {
  return std::make_unique<CausalAttention>(place, *this, config, layer, precision);
}

const AttentionTypes::Add registered{
    std::string(AttentionOptions::default_type),
    [](const AttentionText& text) { return std::make_unique<CausalOptions>(text); }};

}  // namespace
}  // namespace lookback
