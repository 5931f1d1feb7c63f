// Causal softmax attention with grouped queries (Vaswani et al. 2017; Ainslie et al. 2023) and
// rotary position embeddings (Su et al. 2021): the plain Llama's. Its options are those that all
// types have.
#include <fmt/format.h>

#include <memory>

#include "autograd/ops/cast.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_mechanism.h"
#include "nn/layer/attention_scores.h"
#include "nn/layer/bounded_attention.h"
#include "nn/layer/head_projections.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

class CausalOptions final : public AttentionOptions {
 public:
  explicit CausalOptions(const AttentionText& text) : AttentionOptions(default_type, text, {}) {}
  std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                           std::int64_t layer, Precision precision) const override;
  std::optional<double> score_width(const LlamaConfig& config) const override {
    return static_cast<double>(config.head_dim);
  }
  AttentionWork work(const LlamaConfig& config) const override { return work_of_heads(config); }
  std::optional<std::int64_t> rotary_width(const LlamaConfig& config) const override {
    return config.head_dim;
  }
  bool drops_tokens() const override { return pattern.empty(); }
  bool only_products_read_input() const override { return true; }
  std::shared_ptr<const AttentionOptions> resized(const LlamaConfig&) const override {
    return std::make_shared<CausalOptions>(*this);
  }
};

class CausalAttention final : public AttentionMechanism {
 public:
  CausalAttention(const ChildOf& place, const CausalOptions& options, const LlamaConfig& config,
                  std::int64_t layer, Precision precision)
      : AttentionMechanism(place),
        options_(options),
        precision_(precision),
        heads_({*this, ""}, options, config, precision),
        o_proj_({*this, "o_proj"}, config.num_attention_heads * config.head_dim, config.hidden_size,
                bias_if(options.out_bias(config)), precision),
        scores_(*this, options, config, layer, precision) {}

  RecordNeeds needs() const override { return scores_.needs(); }
  const LinearValues* linear_values() const override {
    return heads_.values_are_linear() ? &linear_ : nullptr;
  }
  ScoreWeights score_weights() const override {
    return {.queries = {"q_proj.weight"}, .keys = {"k_proj.weight"}};
  }
  std::vector<std::string> inert(const LlamaConfig&) const override { return heads_.inert(); }

  Tensor forward(const Tensor& normed, const ForwardPass& pass,
                 LayerRecord& record) const override {
    const auto scope = enter();
    const auto dtype = attention_dtype(precision_, pass.options, normed.device());
    if (pass.options.cache != nullptr &&
        pass.options.cache->policy().kind != CachePolicy::Kind::full) {
      const auto projected = heads_.forward(normed);
      const auto attended =
          attend_within_budget({.query = cast(projected.query, dtype),
                                .key = cast(projected.key, dtype),
                                .value = cast(projected.value, dtype)},
                               {.options = options_, .scores = scores_}, pass, record);
      return output(attended, record);
    }
    const auto heads = heads_.at_positions(normed, pass, dtype);
    const auto seen = keys_and_values_so_far(heads.key, heads.value, scores_, pass);
    return output(scores_.attend(heads.query, seen.key, seen.value, pass, record), record);
  }

  Tensor values(const Tensor& normed) const override { return heads_.values(normed); }

  Tensor output(const Tensor& attended, const LayerRecord&) const override {
    return o_proj_.forward(joined_heads(attended));
  }

 private:
  HeadOptions options_;
  Precision precision_;
  HeadProjections heads_;
  Linear o_proj_;
  LinearValues linear_{heads_.value_projection(), o_proj_, heads_.width()};
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

// Presets of one option each.
std::string with_option(std::string_view option) {
  return fmt::format(R"({{"attention_mechanism": {{{}}}}})", option);
}
const RegisteredPresets::Add clip_qkv{
    "clip-qkv",
    {.description = "queries, keys and values clamped to [-8, 8] (OLMo, MPT)",
     .config = with_option(R"("clip_qkv": 8)")}};
const RegisteredPresets::Add qk_layer_norm{"qk-layer-norm",
                                           {.description = "layer norms on queries and keys (MPT)",
                                            .config = with_option(R"("qk_norm": "layer_norm")")}};
const RegisteredPresets::Add qk_rms_norm{"qk-rms-norm",
                                         {.description = "RMS norms on queries and keys (OLMo 2)",
                                          .config = with_option(R"("qk_norm": "rms_norm")")}};
const RegisteredPresets::Add qk_rms_norm_per_head{
    "qk-rms-norm-per-head",
    {.description = "RMS norms on the queries and keys of each head (Qwen3)",
     .config = with_option(R"("qk_norm": "rms_norm_per_head")")}};
const RegisteredPresets::Add alibi{
    "alibi",
    {.description = "scores fall with the distance, no rotary positions (ALiBi)",
     .config = with_option(R"("position_embedding_type": "alibi")")}};
const RegisteredPresets::Add softcap{"softcap",
                                     {.description = "scores capped softly at 50 (Gemma 2)",
                                      .config = with_option(R"("attn_logit_softcapping": 50)")}};

}  // namespace
}  // namespace lookback
