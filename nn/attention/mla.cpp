// Multi-head latent attention (DeepSeek-AI 2024, DeepSeek-V2): keys and values of all heads are
// made of one small latent per token, and one rotary key serves all heads.
//   [c~ | k~] = n W^kv_a,  c = rms_norm(c~) [dc],  k_R = rope(k~) [dr]
//   q = W^q_b rms_norm(n W^q_a), or n W^q; per head [q_N [dn] | rope(q_R) [dr]]
//   [k_N [dn] | v [dv]]_h = c W^kv_b_h
//   scores_h = (q_N k_N^T + q_R k_R^T) (dn + dr)^-1/2
// Under yarn the scores are also multiplied by the square of its magnitude for mscale_all_dim
// (DeepSeek-V3's code).
// The cache holds c and k_R, dc + dr numbers per token. A prompt makes keys and values of them;
// what comes behind it does not ("absorbed"): with W^kv_b_h = [K_h; V_h],
//   q_N k_N^T = (q_N K_h) c^T,  P v = (P c) V_h^T,
// so that all heads attend to one key head, the latents themselves.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "autograd/ops/broadcast_to.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/permute.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/rope.h"
#include "autograd/ops/slice.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_mechanism.h"
#include "nn/layer/attention_scores.h"
#include "nn/layer/head_projections.h"
#include "nn/layer/model_hooks.h"
#include "nn/layer/preset.h"
#include "nn/rms_norm.h"

namespace lookback {
namespace {

constexpr std::string_view mla = "mla";
constexpr double latent_epsilon = 1e-6;  // whatever rms_norm_eps is

struct MlaSizes {
  std::int64_t q_rank = 0;  // 0: queries are one projection
  std::int64_t rank = 0;    // dc
  std::int64_t nope = 0;    // dn
  std::int64_t rope = 0;    // dr
  std::int64_t value = 0;   // dv

  std::int64_t score_width() const { return nope + rope; }
  // Those of the preset, in a model of these sizes.
  static MlaSizes of_model(const LlamaConfig& config) {
    return {.q_rank = std::max<std::int64_t>(config.hidden_size / 2, 1),
            .rank = std::max<std::int64_t>(config.hidden_size / 4, 1),
            .nope = config.head_dim,
            .rope = 2 * std::max<std::int64_t>(config.head_dim / 4, 1),
            .value = config.head_dim};
  }
};

class MlaOptions final : public AttentionOptions {
 public:
  explicit MlaOptions(const AttentionText& text)
      : AttentionOptions(mla, text,
                         {.own = {"q_lora_rank", "kv_lora_rank", "qk_nope_head_dim",
                                  "qk_rope_head_dim", "v_head_dim", "rope_interleave"},
                          .refused = {{"position_embedding_type"}, {"clip_qkv"}, {"qk_norm"}}}) {
    const auto& reader = text.reader;
    reader.need({"kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"});
    if (reader.find("q_lora_rank") != nullptr) reader.read("q_lora_rank", sizes.q_rank);
    reader.read("kv_lora_rank", sizes.rank);
    reader.read("qk_nope_head_dim", sizes.nope);
    reader.read("qk_rope_head_dim", sizes.rope);
    reader.check(sizes.rope % 2 == 0, "qk_rope_head_dim",
                 "must be even, for rotary positions turn pairs");
    reader.read("v_head_dim", sizes.value);
    if (reader.find("rope_interleave") != nullptr) reader.read("rope_interleave", interleave);
    require_own_key_heads(text);
  }

  std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                           std::int64_t layer, Precision precision) const override;

  std::optional<double> score_width(const LlamaConfig&) const override {
    return static_cast<double>(sizes.score_width());
  }
  // Of training and prompts; what decodes from latents does (2 dc + dr) for each head and key.
  AttentionWork work(const LlamaConfig& config) const override {
    const auto heads = config.num_attention_heads, width = config.hidden_size;
    const auto queries = heads * sizes.score_width();
    const auto down = width * (sizes.q_rank + sizes.rank + sizes.rope);
    const auto up = (sizes.q_rank > 0 ? sizes.q_rank : width) * queries +
                    sizes.rank * heads * (sizes.nope + sizes.value);
    return {.projections = down + up + width * heads * sizes.value,
            .per_key = queries + heads * sizes.value};
  }
  // qk_rope_head_dim, which is checked where it is read.
  std::optional<std::int64_t> rotary_width(const LlamaConfig&) const override { return {}; }
  std::shared_ptr<const AttentionOptions> resized(const LlamaConfig& config) const override {
    auto other = std::make_shared<MlaOptions>(*this);
    other->sizes = MlaSizes::of_model(config);
    if (sizes.q_rank == 0) other->sizes.q_rank = 0;
    return other;
  }

  MlaSizes sizes;
  bool interleave = true;

 private:
  void write_own(nlohmann::ordered_json& object) const override {
    if (sizes.q_rank > 0) object["q_lora_rank"] = sizes.q_rank;
    object["kv_lora_rank"] = sizes.rank;
    object["qk_nope_head_dim"] = sizes.nope;
    object["qk_rope_head_dim"] = sizes.rope;
    object["v_head_dim"] = sizes.value;
    if (!interleave) object["rope_interleave"] = false;
  }
};

double enlargement(const RopeScaling& scaling) {
  if (scaling.kind != RopeScaling::Kind::yarn || scaling.mscale_all_dim == 0) return 1;
  const double magnitude = yarn_magnitude(scaling.factor, scaling.mscale_all_dim);
  return magnitude * magnitude;
}

// [c | k_R] of all positions so far, [B, S, 1, dc + dr].
struct LatentCache final : LayerCache {
  explicit LatentCache(const CacheRoom& room) : latents(room) {}
  std::size_t bytes_per_token() const override { return latents.bytes_per_token(); }
  std::size_t bytes_per_sequence() const override { return latents.bytes_per_sequence(); }
  CachedRows latents;
};

// x [B, T, n, w] -> the first `width` of w, or those behind them
Tensor first(const Tensor& x, std::int64_t width) { return slice(x, -1, 0, width); }
Tensor behind(const Tensor& x, std::int64_t width) { return slice(x, -1, width, x.size(-1)); }

// The query projections, of which a config asks for one or for two with a norm between them.
class LatentQueries final : public Module {
 public:
  LatentQueries(ChildOf place, const MlaSizes& sizes, const LlamaConfig& config,
                Precision precision)
      : Module(std::move(place)), rms_norm_eps_(config.rms_norm_eps) {
    const auto width = config.num_attention_heads * sizes.score_width();
    if (sizes.q_rank == 0) {
      q_proj_ = std::make_unique<Linear>(ChildOf{*this, "q_proj"}, config.hidden_size, width,
                                         Bias::none, precision);
      return;
    }
    q_a_proj_ = std::make_unique<Linear>(ChildOf{*this, "q_a_proj"}, config.hidden_size,
                                         sizes.q_rank, bias_if(config.attention_bias), precision);
    q_a_layernorm_ = std::make_unique<RmsNorm>(ChildOf{*this, "q_a_layernorm"}, sizes.q_rank,
                                               latent_epsilon, precision);
    q_b_proj_ = std::make_unique<Linear>(ChildOf{*this, "q_b_proj"}, sizes.q_rank, width,
                                         Bias::none, precision);
  }

  // normed [B, T, D] -> [B, T, H (dn + dr)]
  Tensor forward(const Tensor& normed, const ForwardPass& pass) const {
    if (q_proj_ != nullptr) return q_proj_->forward(normed);
    return q_b_proj_->forward(
        pass.hooks->latent_norm(*q_a_layernorm_, q_a_proj_->forward(normed), rms_norm_eps_));
  }

 private:
  double rms_norm_eps_;
  std::unique_ptr<const Linear> q_proj_, q_a_proj_, q_b_proj_;
  std::unique_ptr<const RmsNorm> q_a_layernorm_;
};

class LatentAttention final : public AttentionMechanism {
 public:
  LatentAttention(const ChildOf& place, const MlaOptions& options, const LlamaConfig& config,
                  std::int64_t layer, Precision precision)
      : AttentionMechanism(place),
        sizes_(options.sizes),
        interleave_(options.interleave),
        precision_(precision),
        heads_(config.num_attention_heads),
        rms_norm_eps_(config.rms_norm_eps),
        queries_({*this, ""}, sizes_, config, precision),
        kv_a_proj_({*this, "kv_a_proj_with_mqa"}, config.hidden_size, sizes_.rank + sizes_.rope,
                   bias_if(config.attention_bias), precision),
        kv_a_layernorm_({*this, "kv_a_layernorm"}, sizes_.rank, latent_epsilon, precision),
        kv_b_proj_({*this, "kv_b_proj"}, sizes_.rank, heads_ * (sizes_.nope + sizes_.value),
                   Bias::none, precision),
        o_proj_({*this, "o_proj"}, heads_ * sizes_.value, config.hidden_size,
                bias_if(options.out_bias(config)), precision),
        scores_(*this, options, config, layer, precision, enlargement(config.rope_scaling)) {}

  RecordNeeds needs() const override { return scores_.needs(); }
  ScoreWeights score_weights() const override {
    return {.queries = {sizes_.q_rank == 0 ? "q_proj.weight" : "q_b_proj.weight"},
            .keys = {"kv_b_proj.weight"}};
  }

  Tensor forward(const Tensor& normed, const ForwardPass& pass,
                 LayerRecord& record) const override {
    const auto scope = enter();
    const auto query = split_heads(queries_.forward(normed, pass), heads_);
    const auto unturned = first(query, sizes_.nope);
    const auto turned = rotated(behind(query, sizes_.nope), pass);
    const auto down = kv_a_proj_.forward(normed);
    const auto latent = split_heads(
        pass.hooks->latent_norm(kv_a_layernorm_, first(down, sizes_.rank), rms_norm_eps_), 1);
    const auto rotary_key = rotated(split_heads(behind(down, sizes_.rank), 1), pass);
    Tensor seen;
    if (pass.options.cache != nullptr) {
      const auto dtype = attention_dtype(precision_, pass.options, normed.device());
      seen = scores_.cache<LatentCache>(pass).latents.append(
          pass.position, cast(cat({latent, rotary_key}, -1), dtype));
    }
    if (pass.position == 0) {
      return explicit_form(unturned, turned, latent, rotary_key, pass, record);
    }
    return absorbed_form(unturned, turned, seen, pass, record);
  }

  // What replays apply weights to are the latents: the same for all heads.
  Tensor values(const Tensor& normed) const override {
    const auto latents = first(kv_a_proj_.forward(normed), sizes_.rank);
    return split_heads(kv_a_layernorm_.forward(latents), 1);
  }

  // attended [B, T, H, dc]
  Tensor output(const Tensor& attended, const LayerRecord&) const override {
    const auto value_weights = behind_rows(sizes_.nope);  // [H, dv, dc]
    return projected(per_head(attended, permute(value_weights, {0, 2, 1})));
  }

 private:
  // x [B, T, n, dr]. Interleaved pairs (2p, 2p + 1) are moved to (p, p + dr / 2) first.
  Tensor rotated(const Tensor& x, const ForwardPass& pass) const {
    auto halves = x;
    if (interleave_) {
      const Shape pairs{x.size(0), x.size(1), x.size(2), sizes_.rope / 2, 2};
      halves = reshape(permute(reshape(x, pairs), {0, 1, 2, 4, 3}), x.shape());
    }
    return rope(halves, pass.rope(sizes_.rope), pass.hooks->rotary_position(pass.position));
  }

  // Keys and values of every head, made of the latents.
  Tensor explicit_form(const Tensor& unturned, const Tensor& turned, const Tensor& latent,
                       const Tensor& rotary_key, const ForwardPass& pass,
                       LayerRecord& record) const {
    const auto batch = latent.size(0), tokens = latent.size(1);
    const auto up =
        split_heads(kv_b_proj_.forward(reshape(latent, {batch, tokens, sizes_.rank})), heads_);
    const auto shared = broadcast_to(rotary_key, {batch, tokens, heads_, sizes_.rope});
    const auto dtype = attention_dtype(precision_, pass.options, latent.device());
    const auto query = cast(cat({unturned, turned}, -1), dtype);
    const auto key = cast(cat({first(up, sizes_.nope), shared}, -1), dtype);
    const auto value = cast(behind(up, sizes_.nope), dtype);
    return projected(scores_.attend(query, key, value, pass, record));
  }

  // Queries are taken to the latents, `seen` [B, S, 1, dc + dr].
  Tensor absorbed_form(const Tensor& unturned, const Tensor& turned, const Tensor& seen,
                       const ForwardPass& pass, LayerRecord& record) const {
    const auto key_weights = slice(kv_b_heads(), 1, 0, sizes_.nope);  // [H, dn, dc]
    const auto query = cast(cat({per_head(unturned, key_weights), turned}, -1), seen.dtype());
    const auto attended = scores_.attend(query, seen, first(seen, sizes_.rank), pass, record);
    return output(attended, record);
  }

  Tensor kv_b_heads() const {
    return reshape(kv_b_proj_.weight, {heads_, sizes_.nope + sizes_.value, sizes_.rank});
  }
  Tensor behind_rows(std::int64_t rows) const {
    return slice(kv_b_heads(), 1, rows, sizes_.nope + sizes_.value);
  }

  // x [B, T, H, a], weights [H, a, b] -> [B, T, H, b]
  static Tensor per_head(const Tensor& x, const Tensor& weights) {
    const auto batch = x.size(0), tokens = x.size(1), count = x.size(2), width = x.size(3);
    const auto rows = reshape(permute(x, {2, 0, 1, 3}), {count, batch * tokens, width});
    const auto product = matmul(cast(rows, weights.dtype()), weights);
    return permute(reshape(product, {count, batch, tokens, weights.size(2)}), {1, 2, 0, 3});
  }

  // [B, T, H, dv] -> [B, T, D]
  Tensor projected(const Tensor& attended) const { return o_proj_.forward(joined_heads(attended)); }

  MlaSizes sizes_;
  bool interleave_;
  Precision precision_;
  std::int64_t heads_;
  double rms_norm_eps_;
  LatentQueries queries_;
  Linear kv_a_proj_;
  RmsNorm kv_a_layernorm_;
  Linear kv_b_proj_, o_proj_;
  AttentionScores scores_;
};

std::unique_ptr<AttentionMechanism> MlaOptions::make(const ChildOf& place,
                                                     const LlamaConfig& config, std::int64_t layer,
                                                     Precision precision) const {
  return std::make_unique<LatentAttention>(place, *this, config, layer, precision);
}

std::string preset_keys(const LlamaConfig& config) {
  const auto sizes = MlaSizes::of_model(config);
  return fmt::format(
      R"({{"attention_mechanism": {{"type": "mla", "q_lora_rank": {}, "kv_lora_rank": {}, )"
      R"("qk_nope_head_dim": {}, "qk_rope_head_dim": {}, "v_head_dim": {}}}, )"
      R"("num_key_value_heads": {}}})",
      sizes.q_rank, sizes.rank, sizes.nope, sizes.rope, sizes.value, config.num_attention_heads);
}

const AttentionTypes::Add registered{
    std::string(mla), [](const AttentionText& text) { return std::make_unique<MlaOptions>(text); }};
const RegisteredPresets::Add preset{
    "mla",
    {.description = "keys and values of all heads from one latent per token (DeepSeek-V2's)",
     .config = PresetKeys(&preset_keys)}};

}  // namespace
}  // namespace lookback
