// Mixture of attention heads (Zhang et al. 2022, MoA): E experts with queries and outputs of their
// own, of which each token uses k; keys and values are shared by all. With G key/value heads and
// H = k G query heads, of the normalized input n:
//   l = n router, p = softmax(l)
//   e_1 .. e_k = the largest of a token, best first
//   w_s = p of e_s, with norm_topk_prob over their sum
//   query head g k + s = part g of n input_linear[e_s]
//   y = sum_s w_s output_linear[e_s] [C_1,s .. C_G,s] + bias
// Of equal logits the lower expert comes first. Query head g k + s, after norms head by head and
// rotary positions, reads key/value head g, which gives C_g,s. The choice has no gradient, the
// weights have. A replay keeps both, and applies the outputs of the experts that were chosen then.
// The router computes in float32 or better: a choice does not hang on a rounded logit. The cache is
// the plain attention's.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/expert_linear.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/linear_many.h"
#include "autograd/ops/permute.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/sum.h"
#include "autograd/ops/top_k.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_mechanism.h"
#include "nn/layer/attention_scores.h"
#include "nn/layer/head_projections.h"
#include "nn/layer/preset.h"
#include "nn/layer/router.h"

namespace lookback {
namespace {

constexpr std::string_view moa = "moa";
constexpr RouterLosses default_losses{.balance = 0.01, .z = 0.001};

class ExpertOptions final : public AttentionOptions {
 public:
  explicit ExpertOptions(const AttentionText& text)
      : AttentionOptions(moa, text,
                         {.own = {"num_experts", "num_experts_per_tok", "norm_topk_prob",
                                  RouterLosses::balance_key, RouterLosses::z_key},
                          .refused = {{"position_embedding_type", {"alibi"}},
                                      {"qk_norm", {"layer_norm", "rms_norm"}}}}) {
    const auto& reader = text.reader;
    reader.need({"num_experts", "num_experts_per_tok"});
    reader.read("num_experts", experts);
    reader.read("num_experts_per_tok", chosen);
    reader.check(chosen <= experts, "num_experts_per_tok", "must be at most num_experts, {}",
                 experts);
    const auto heads = text.config.num_attention_heads;
    const auto key_heads = text.config.num_key_value_heads;
    reader.check(key_heads * chosen == heads, "num_experts_per_tok",
                 "times num_key_value_heads, {}, must be num_attention_heads, {}", key_heads,
                 heads);
    if (reader.find("norm_topk_prob") != nullptr) reader.read("norm_topk_prob", normalized);
    losses.read(reader);
  }
  std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                           std::int64_t layer, Precision precision) const override;
  // None: a query head is another expert for each token and in each layer.
  std::optional<double> score_width(const LlamaConfig&) const override { return {}; }
  AttentionWork work(const LlamaConfig& config) const override {
    const auto width = config.num_key_value_heads * config.head_dim;
    return {.projections = config.hidden_size * (2 * chosen * width + 2 * width + experts),
            .per_key = 2 * chosen * width};
  }
  std::string_view gated() const override { return "expert"; }
  std::optional<std::int64_t> rotary_width(const LlamaConfig& config) const override {
    return config.head_dim;
  }
  std::shared_ptr<const AttentionOptions> resized(const LlamaConfig& config) const override {
    auto other = std::make_shared<ExpertOptions>(*this);
    other->chosen = of_model(config);
    other->experts = std::max(experts * other->chosen / chosen, other->chosen);
    return other;
  }
  // As many for each token as query heads share a key head.
  static std::int64_t of_model(const LlamaConfig& config) {
    return config.num_attention_heads / config.num_key_value_heads;
  }

  std::int64_t experts = 1, chosen = 1;  // E, k
  bool normalized = false;
  RouterLosses losses = default_losses;

 private:
  void write_own(nlohmann::ordered_json& object) const override {
    object["num_experts"] = experts;
    object["num_experts_per_tok"] = chosen;
    if (normalized) object["norm_topk_prob"] = true;
    losses.write(object, default_losses);
  }
};

// Which experts each token uses, and with which weights.
struct Routing {
  Tensor weights;                        // [B, T, k]
  Tensor experts;                        // i64 [B, T, k], the best first
  Tensor logits, probabilities, chosen;  // [B, T, E]
};

class Experts final : public Module {
 public:
  Experts(ChildOf place, const ExpertOptions& options, const LlamaConfig& config,
          Precision precision)
      : Module(std::move(place)),
        count_(options.chosen),
        normalized_(options.normalized),
        precision_(precision),
        router_({*this, "router.layer"}, config.hidden_size, options.experts, Bias::none,
                {.storage = precision.storage}) {
    const auto width = config.num_key_value_heads * config.head_dim;
    const auto parameter = [&](const char* name, const Shape& shape, const Initial& initial) {
      return register_parameter(name, empty(shape, precision.storage), initial);
    };
    input_ = parameter("input_linear.weight", {options.experts, width, config.hidden_size},
                       Initial::normal());
    output_ = parameter("output_linear.weight", {options.experts, config.hidden_size, width},
                        Initial::normal());
    if (options.out_bias(config)) {
      bias_ = parameter("bias", {config.hidden_size}, Initial::constant(0));
    }
  }

  // normed [B, T, D]
  Routing route(const Tensor& normed) const {
    const auto scope = enter();
    const auto logits = router_.forward(normed);
    const auto [experts, chosen] = top_k(logits.detach(), count_);
    const auto probabilities = softmax(logits);
    const auto weights = gather(probabilities, -1, experts);
    return {normalized_ ? weights / sum(weights, {-1}, KeepDims::yes) : weights, experts, logits,
            probabilities, chosen};
  }

  // normed [B, T, D] -> [B, T, k, G dk]
  Tensor queries(const Tensor& normed, const Tensor& experts) const {
    const auto scope = enter();
    return expert_linear(normed, input_, experts, precision_.products);
  }

  // attended [B, T, k, G dk] -> [B, T, D]
  Tensor output(const Tensor& attended, const Tensor& weights, const Tensor& experts) const {
    const auto scope = enter();
    const Shape one_each{experts.size(0), experts.size(1), experts.size(2), 1};
    const auto weighted = cast(attended, weights.dtype()) * reshape(weights, one_each);
    const auto outputs =
        expert_linear(weighted, output_, reshape(experts, one_each), precision_.products);
    const auto total = sum(outputs, {2, 3});
    return bias_.defined() ? total + bias_ : total;
  }

 private:
  std::int64_t count_;
  bool normalized_;
  Precision precision_;
  Linear router_;
  Tensor input_, output_, bias_;  // [E, G dk, D], [E, D, G dk], [D] or undefined
};

class MixtureOfAttention final : public AttentionMechanism {
 public:
  MixtureOfAttention(const ChildOf& place, const ExpertOptions& options, const LlamaConfig& config,
                     std::int64_t layer, Precision precision)
      : AttentionMechanism(place),
        options_(options),
        losses_(options.losses),
        expert_count_(options.experts),
        chosen_(options.chosen),
        normalized_(options.normalized),
        key_heads_(config.num_key_value_heads),
        width_(config.head_dim),
        precision_(precision),
        layer_(layer),
        experts_({*this, "experts"}, options, config, precision),
        k_proj_({*this, "k_proj"}, config.hidden_size, key_heads_ * width_,
                bias_if(config.attention_bias), precision),
        v_proj_({*this, "v_proj"}, config.hidden_size, key_heads_ * width_,
                bias_if(config.attention_bias), precision),
        norm_({*this, ""}, options,
              {.query = key_heads_ * width_, .key = key_heads_ * width_, .head = width_}, config,
              precision),
        scores_(*this, options, config, layer_, precision) {}

  RecordNeeds needs() const override {
    return scores_.needs() | RecordNeeds{.auxiliary_loss = true};
  }
  ScoreWeights score_weights() const override {
    return {.queries = {"experts.input_linear.weight"}, .keys = {"k_proj.weight"}};
  }
  std::vector<std::string> inert(const LlamaConfig&) const override {
    std::vector<std::string> names;
    const bool weights_are_one = expert_count_ == 1 || (chosen_ == 1 && normalized_);
    if (weights_are_one && losses_.are_constant(expert_count_)) {
      names.emplace_back("experts.router.layer.weight");
    }
    const bool unseen = options_.positions == Positions::none && !options_.soft_cap &&
                        !options_.clip && options_.qk_norm == QueryKeyNormKind::none;
    if (unseen && k_proj_.bias.defined()) names.emplace_back("k_proj.bias");
    return names;
  }

  Tensor forward(const Tensor& normed, const ForwardPass& pass,
                 LayerRecord& record) const override {
    const auto scope = enter();
    const auto dtype = attention_dtype(precision_, pass.options, normed.device());
    const auto routing = experts_.route(normed);
    const auto query =
        norm_.query_heads(in_heads(clipped(experts_.queries(normed, routing.experts), options_)));
    const auto projected = linear_many(normed, {k_proj_.weight, v_proj_.weight},
                                       {k_proj_.bias, v_proj_.bias}, precision_.products);
    const auto key = norm_.key_heads(split_heads(clipped(projected[0], options_), key_heads_));
    const auto value = split_heads(clipped(projected[1], options_), key_heads_);
    const auto seen = keys_and_values_so_far(cast(with_positions(key, options_, pass), dtype),
                                             cast(value, dtype), scores_, pass);
    const auto attended = scores_.attend(cast(with_positions(query, options_, pass), dtype),
                                         seen.key, seen.value, pass, record);
    if (pass.needs.auxiliary_loss) {
      record.auxiliary_loss = losses_.of(routing.logits, routing.chosen);
    }
    if (auto* trace = pass.options.trace) trace->gates[layer_] = gates_of(routing);
    if (pass.needs.replay) record.of_attention = {routing.weights, routing.experts};
    return experts_.output(by_slots(attended), routing.weights, routing.experts);
  }

  Tensor values(const Tensor& normed) const override {
    return split_heads(clipped(v_proj_.forward(normed), options_), key_heads_);
  }

  std::vector<Tensor> choice(const Tensor& normed) const override {
    const auto routing = experts_.route(normed);
    return {routing.weights, routing.experts};
  }

  // With the experts and the weights of the run that is repeated.
  Tensor output(const Tensor& attended, const LayerRecord& record) const override {
    return experts_.output(by_slots(attended), record.of_attention.at(0),
                           record.of_attention.at(1));
  }

 private:
  // [B, T, k, G dk] -> [B, T, G k, dk]
  Tensor in_heads(const Tensor& x) const {
    const auto batch = x.size(0), tokens = x.size(1);
    const auto parts = reshape(x, {batch, tokens, chosen_, key_heads_, width_});
    return reshape(permute(parts, {0, 1, 3, 2, 4}), {batch, tokens, key_heads_ * chosen_, width_});
  }
  // [B, T, G k, dk] -> [B, T, k, G dk]
  Tensor by_slots(const Tensor& x) const {
    const auto batch = x.size(0), tokens = x.size(1);
    const auto parts = reshape(x, {batch, tokens, key_heads_, chosen_, width_});
    return reshape(permute(parts, {0, 1, 3, 2, 4}), {batch, tokens, chosen_, key_heads_ * width_});
  }
  // The weights by expert, [B, T, E].
  Tensor gates_of(const Routing& routing) const {
    const auto kept = routing.probabilities.detach() * routing.chosen;
    return normalized_ ? kept / sum(kept, {-1}, KeepDims::yes) : kept;
  }

  HeadOptions options_;
  RouterLosses losses_;
  std::int64_t expert_count_, chosen_;
  bool normalized_;
  std::int64_t key_heads_, width_;
  Precision precision_;
  std::int64_t layer_;
  Experts experts_;
  Linear k_proj_, v_proj_;
  QueryKeyNorm norm_;
  AttentionScores scores_;
};

std::unique_ptr<AttentionMechanism> ExpertOptions::make(const ChildOf& place,
                                                        const LlamaConfig& config,
                                                        std::int64_t layer,
                                                        Precision precision) const {
  return std::make_unique<MixtureOfAttention>(place, *this, config, layer, precision);
}

const AttentionTypes::Add registered{std::string(moa), [](const AttentionText& text) {
                                       return std::make_unique<ExpertOptions>(text);
                                     }};
const RegisteredPresets::Add preset{
    "moa",
    {.description = "experts with queries and outputs of their own, half of them per token (MoA)",
     .config = PresetKeys([](const LlamaConfig& config) {
       const auto chosen = ExpertOptions::of_model(config);
       return fmt::format(R"({{"attention_mechanism": {{"type": "moa", "num_experts": {}, )"
                          R"("num_experts_per_tok": {}}}}})",
                          2 * chosen, chosen);
     })}};

}  // namespace
}  // namespace lookback
