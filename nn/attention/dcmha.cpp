// Dynamically composable multi-head attention (Xiao et al. 2024, DCFormer): the plain attention,
// whose heads' scores are mixed with one another at every pair of positions before the softmax, and
// their weights after it (kernels/composed_attention.h has the formula). What mixes is made of each
// token, for four branches c, (scores, weights) x (as query, as key); with R the rank:
//   [w1; w2] = gelu(n dw1_c) qkw_c, R rows each of H numbers; w1 over its root mean square
//   gate = tanh(n dd_c)
// and of the model alone with static_projection: two matrices H x H. The cache holds keys, values
// and the 2 (2 R + 1) H numbers of both key branches.
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "autograd/grad_mode.h"
#include "autograd/mask_watch.h"
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/composed_attention.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/permute.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/slice.h"
#include "autograd/ops/unary.h"
#include "kernels/fill.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_mechanism.h"
#include "nn/layer/attention_scores.h"
#include "nn/layer/head_projections.h"
#include "nn/layer/model_hooks.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

constexpr std::string_view dcmha = "dcmha";
constexpr double mixing_epsilon = 1e-6;  // whatever rms_norm_eps is

class ComposedOptions final : public AttentionOptions {
 public:
  explicit ComposedOptions(const AttentionText& text)
      : AttentionOptions(dcmha, text, {.own = {"rank", "static_projection"}}) {
    if (text.reader.find("rank") != nullptr) text.reader.read("rank", rank);
    if (text.reader.find("static_projection") != nullptr) {
      text.reader.read("static_projection", static_projection);
    }
  }
  std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                           std::int64_t layer, Precision precision) const override;
  // Composed scores are no sum that another layer's could join.
  std::optional<double> score_width(const LlamaConfig&) const override { return std::nullopt; }
  AttentionWork work(const LlamaConfig& config) const override {
    auto all = work_of_heads(config);
    const auto heads = config.num_attention_heads, width = config.hidden_size;
    all.projections +=
        8 * rank * width * heads + 16 * rank * rank * heads * heads + 4 * width * heads;
    all.per_key += 8 * rank * heads + 4 * heads + (static_projection ? 2 * heads * heads : 0);
    return all;
  }
  std::optional<std::int64_t> rotary_width(const LlamaConfig& config) const override {
    return config.head_dim;
  }
  // Made of composed scores, they do not follow from a log-sum-exp of each head.
  bool keeps_weights() const override { return true; }
  std::shared_ptr<const AttentionOptions> resized(const LlamaConfig&) const override {
    return std::make_shared<ComposedOptions>(*this);
  }

  std::int64_t rank = 2;
  bool static_projection = false;

 private:
  void write_own(nlohmann::ordered_json& object) const override {
    if (rank != 2) object["rank"] = rank;
    if (static_projection) object["static_projection"] = true;
  }
};

// What mixes the heads, in the format of parameters whatever that of products: a choice of heads
// must not hang on a rounded number.
class DynamicMixing final : public Module {
 public:
  DynamicMixing(ChildOf place, const ComposedOptions& options, const LlamaConfig& config,
                Precision precision)
      : Module(std::move(place)),
        rank_(options.rank),
        heads_(config.num_attention_heads),
        hidden_(2 * rank_ * heads_),
        ones_(empty({heads_}, precision.storage)) {
    kernels::fill(ones_.backend(), {.y = ones_, .value = 1});
    const auto width = config.hidden_size;
    const auto parameter = [&](std::string name, const Shape& shape, double deviation) {
      return register_parameter(std::move(name), empty(shape, precision.storage),
                                Initial::normal(deviation));
    };
    const auto heads = static_cast<double>(heads_), inside = static_cast<double>(hidden_);
    dw1_ = parameter("dw1", {width, branches, hidden_},
                     std::sqrt(2 / (static_cast<double>(width) + inside)));
    qkw_ = parameter("qkw", {branches, hidden_, 2 * rank_, heads_},
                     0.02 / (std::sqrt(inside) * (heads + static_cast<double>(rank_))));
    dd_ = parameter("dd", {width, branches * heads_},
                    0.005 * std::sqrt(2 / (static_cast<double>(width) + heads)));
    if (!options.static_projection) return;
    pre_ = parameter("pre_proj.w", {heads_, heads_}, 0.1 / std::sqrt(heads));
    post_ = parameter("post_proj.w", {heads_, heads_}, 0.1 / std::sqrt(heads));
  }

  // normed [B, T, D]
  HeadMixing forward(const Tensor& normed) const {
    const auto scope = enter();
    const auto sequences = normed.size(0), positions = normed.size(1);
    const auto tokens = sequences * positions;
    const auto rows = reshape(normed, {tokens, normed.size(2)});
    const auto hidden = gelu(matmul(rows, reshape(dw1_, {normed.size(2), branches * hidden_})));
    const auto by_branch = permute(reshape(hidden, {tokens, branches, hidden_}), {1, 0, 2});
    const auto made = reshape(matmul(by_branch, reshape(qkw_, {branches, hidden_, hidden_})),
                              {branches, tokens, 2 * rank_, heads_});
    const auto in = rms_norm(slice(made, 2, 0, rank_), ones_, mixing_epsilon);
    const auto out = slice(made, 2, rank_, 2 * rank_);
    const auto gates = reshape(tanh(matmul(rows, dd_)), {tokens, branches, 1, heads_});
    const auto all = reshape(cat({in, out, permute(gates, {1, 0, 2, 3})}, 2),
                             {2, 2, sequences, positions, (2 * rank_ + 1) * heads_});
    return {.query = side(all, 0), .key = side(all, 1), .fixed = fixed()};
  }

 private:
  static constexpr std::int64_t branches = 4;

  // all [2, 2, B, T, (2 R + 1) H]: scores or weights, query or key
  Tensor side(const Tensor& all, std::int64_t which) const {
    const auto of_side = reshape(slice(all, 1, which, which + 1),
                                 {2, all.size(2), all.size(3), 2 * rank_ + 1, heads_});
    return permute(of_side, {1, 2, 0, 3, 4});
  }
  Tensor fixed() const {
    if (!pre_.defined()) return {};
    const Shape one{1, heads_, heads_};
    return cat({reshape(pre_, one), reshape(post_, one)}, 0);
  }

  std::int64_t rank_, heads_, hidden_;
  Tensor ones_;  // the gain of a norm that has none
  Tensor dw1_, qkw_, dd_, pre_, post_;
};

struct ComposedCache final : LayerCache {
  explicit ComposedCache(const CacheRoom& room)
      : keys(room),
        values(room),
        mixing({.batch = room.batch,
                .capacity = room.capacity,
                .dtype = accumulator_of(room.dtype),
                .reach = room.reach}) {}
  std::size_t bytes_per_token() const override {
    return keys.bytes_per_token() + values.bytes_per_token() + mixing.bytes_per_token();
  }
  std::size_t bytes_per_sequence() const override {
    return keys.bytes_per_sequence() + values.bytes_per_sequence() + mixing.bytes_per_sequence();
  }
  CachedRows keys, values, mixing;
};

class ComposedAttention final : public AttentionMechanism {
 public:
  ComposedAttention(const ChildOf& place, const ComposedOptions& options, const LlamaConfig& config,
                    std::int64_t layer, Precision precision)
      : AttentionMechanism(place),
        options_(options),
        precision_(precision),
        heads_({*this, ""}, options, config, precision),
        o_proj_({*this, "o_proj"}, config.num_attention_heads * config.head_dim, config.hidden_size,
                bias_if(options.out_bias(config)), precision),
        mixing_({*this, "dyn_w_proj"}, options, config, precision),
        scores_(*this, options, config, layer, precision) {}

  RecordNeeds needs() const override { return scores_.needs(); }
  const LinearValues* linear_values() const override {
    return heads_.values_are_linear() ? &linear_ : nullptr;
  }
  ScoreWeights score_weights() const override {
    return {.queries = {"q_proj.weight"}, .keys = {"k_proj.weight"}};
  }

  Tensor forward(const Tensor& normed, const ForwardPass& pass,
                 LayerRecord& record) const override {
    const auto scope = enter();
    const auto dtype = attention_dtype(precision_, pass.options, normed.device());
    const auto projected = heads_.forward(normed);
    const auto query = cast(with_positions(projected.query, options_, pass), dtype);
    auto key = cast(with_positions(projected.key, options_, pass), dtype);
    auto value = cast(projected.value, dtype);
    auto mixing = mixing_.forward(normed);
    if (pass.options.cache != nullptr) {
      auto& cache = scores_.cache<ComposedCache>(pass);
      key = cache.keys.append(pass.position, key);
      value = cache.values.append(pass.position, value);
      mixing.key = cache.mixing.append(pass.position, mixing.key);
    }
    return output(attend(scores_.pieces(query, key, pass), mixing, value, pass, record), record);
  }

  Tensor values(const Tensor& normed) const override { return heads_.values(normed); }

  Tensor output(const Tensor& attended, const LayerRecord&) const override {
    return o_proj_.forward(joined_heads(attended));
  }

 private:
  Tensor attend(const AttentionPieces& pieces, const HeadMixing& mixing, const Tensor& value,
                const ForwardPass& pass, LayerRecord& record) const {
    const auto& query = pieces.q.front();
    const auto plain_mask = scores_.mask_of(query, pass);
    const auto mask = scores_.patterned(plain_mask, query, pass);
    auto* trace = pass.options.trace;
    if (trace != nullptr) trace->pieces.push_back(pieces);
    const bool keeps =
        pass.needs.replay || pass.options.attention == AttentionPath::explicit_weights;
    if (!keeps) {
      if (trace != nullptr) {
        const NoGrad no_grad;  // only to be looked at
        const MaskWatch::Pause unwatched;
        trace->attention_weights.push_back(composed_attention_weights(pieces, mixing, mask));
      }
      return composed_attention(pieces, mixing, value, mask);
    }
    auto made = pass.hooks->composed(pieces, mixing, mask);
    // Composing gives a head a weight wherever another one sees.
    if (!same_for_heads(options_.pattern)) made.mask = plain_mask;
    if (trace != nullptr) trace->attention_weights.push_back(made.weights);
    if (pass.needs.replay) record.replay = kept_weights(made);
    return apply_attention_weights(made.weights, value, made.mask);
  }

  ComposedOptions options_;
  Precision precision_;
  HeadProjections heads_;
  Linear o_proj_;
  DynamicMixing mixing_;
  AttentionScores scores_;
  LinearValues linear_{heads_.value_projection(), o_proj_, heads_.width()};
};

std::unique_ptr<AttentionMechanism> ComposedOptions::make(const ChildOf& place,
                                                          const LlamaConfig& config,
                                                          std::int64_t layer,
                                                          Precision precision) const {
  return std::make_unique<ComposedAttention>(place, *this, config, layer, precision);
}

const AttentionTypes::Add registered{std::string(dcmha), [](const AttentionText& text) {
                                       return std::make_unique<ComposedOptions>(text);
                                     }};
const RegisteredPresets::Add preset{
    std::string(dcmha),
    {.description = "dynamically composable heads: scores and weights mixed at every pair",
     .config = R"({"attention_mechanism": {"type": "dcmha"}})"}};

}  // namespace
}  // namespace lookback
