// Mixture of heads (Jin et al. 2024, MoH): the plain attention with a gate for each head and token.
// The first s heads are shared by all tokens; of the others a router chooses K for each. Of the
// normalized input n, with C_h = P_h v_h as ever:
//   rho = softmax(n wg), R = the K largest of a token (of equal ones the lower head),
//   alpha = softmax(n wg_0) [2], pi = softmax(n wg_1) [s]
//   g_h = 2 alpha_0 s pi_h               of a shared head
//   g_h = 2 alpha_1 K rho_h / sum_R rho  of a chosen one, 0 of the others
//   y = concat_h(g_h C_h) W^O
// Without shared heads the factors of alpha are left out; pi of a single one is 1. The factors 2, s
// and K are those of the published code: with equal gates all heads together are the plain
// attention. router = query_norm (MoH-LLaMA3): R = the K heads whose queries are longest, before
// rotary positions; gates 1 and 0, no parameters. The choice has no gradient, the gates have. Gates
// are functions of their token alone, so that nothing of them is cached. The router computes in
// float32 or better: a choice does not hang on a rounded logit.
//
// Heads with gate 0 are computed all the same. Skipping them would save at most (H - s - K) / H of
// the scores and values, which take 16 % of a training step at T 256, 39 % at T 1024 and 67 % at
// T 2048 (smoke, f32, two busy cores): with half of the heads chosen less than 8, 20 and 34 %. It
// takes kernels with a list of rows for each head, forward, backward, replayed and on a GPU; the
// scores that `inspect` shows and that layers add up are those of all heads.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/slice.h"
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

constexpr std::string_view moh = "moh";
constexpr RouterLosses default_losses{.balance = 0.01, .z = 0};

enum class HeadRouterKind { learned, query_norm };
const std::vector<std::string> router_names{"learned", "query_norm"};

// How many heads are shared by all tokens, how many there are to choose from, how many are chosen.
struct HeadCounts {
  std::int64_t shared = 0, routed = 0, chosen = 0;

  // Outputs of wg_0, which weighs shared against chosen heads, and of wg_1, which weighs those.
  std::int64_t balances() const { return shared > 0 ? 2 : 0; }
  std::int64_t weighed() const { return shared > 1 ? shared : 0; }
};

class MixtureOptions final : public AttentionOptions {
 public:
  explicit MixtureOptions(const AttentionText& text)
      : AttentionOptions(moh, text,
                         {.own = {"num_shared_heads", "num_selected_heads", "router",
                                  RouterLosses::balance_key, RouterLosses::z_key}}) {
    const auto& reader = text.reader;
    const auto heads = text.config.num_attention_heads;
    reader.need({"num_shared_heads", "num_selected_heads"});
    reader.read("num_shared_heads", shared, ConfigReader::Least::zero);
    reader.check(shared < heads, "num_shared_heads", "must be below num_attention_heads, {}",
                 heads);
    reader.read("num_selected_heads", chosen);
    reader.check(chosen <= heads - shared, "num_selected_heads",
                 "must be at most {}: {} heads without {} shared ones", heads - shared, heads,
                 shared);
    if (reader.find("router") != nullptr) {
      router = static_cast<HeadRouterKind>(reader.read_word("router", router_names));
    }
    losses.read(reader);
  }
  std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                           std::int64_t layer, Precision precision) const override;
  std::optional<double> score_width(const LlamaConfig& config) const override {
    return static_cast<double>(config.head_dim);
  }
  AttentionWork work(const LlamaConfig& config) const override {
    auto all = work_of_heads(config);
    if (router == HeadRouterKind::learned) {
      const auto sizes = counts(config);
      all.projections += config.hidden_size * (sizes.routed + sizes.balances() + sizes.weighed());
    }
    return all;
  }
  std::string_view gated() const override { return "head"; }
  std::optional<std::int64_t> rotary_width(const LlamaConfig& config) const override {
    return config.head_dim;
  }
  std::shared_ptr<const AttentionOptions> resized(const LlamaConfig& config) const override {
    auto other = std::make_shared<MixtureOptions>(*this);
    const auto fitting = of_model(config);
    other->shared = std::min(shared, fitting.shared);
    other->chosen = std::min(chosen, fitting.chosen);
    return other;
  }

  // The preset's: a quarter of the heads shared, half of all chosen.
  static HeadCounts of_model(const LlamaConfig& config) {
    const auto heads = config.num_attention_heads;
    return {.shared = heads / 4,
            .routed = heads - heads / 4,
            .chosen = std::max<std::int64_t>(heads / 2, 1)};
  }

  HeadCounts counts(const LlamaConfig& config) const {
    return {.shared = shared, .routed = config.num_attention_heads - shared, .chosen = chosen};
  }

  std::int64_t shared = 0, chosen = 1;
  HeadRouterKind router = HeadRouterKind::learned;
  RouterLosses losses = default_losses;

 private:
  void write_own(nlohmann::ordered_json& object) const override {
    object["num_shared_heads"] = shared;
    object["num_selected_heads"] = chosen;
    if (router != HeadRouterKind::learned) {
      object["router"] = router_names[static_cast<std::size_t>(router)];
    }
    losses.write(object, default_losses);
  }
};

// The gates of each token's heads, and by which logits they came about.
struct HeadGates {
  Tensor gates;           // [B, T, H]
  Tensor logits, chosen;  // [B, T, routed]; undefined where there are none
};

// The learned router. Its projections stand directly below the mechanism.
class HeadRouter final : public Module {
 public:
  HeadRouter(ChildOf place, const HeadCounts& counts, const LlamaConfig& config,
             Precision precision)
      : Module(std::move(place)),
        counts_(counts),
        wg_({*this, "wg"}, config.hidden_size, counts_.routed, Bias::none,
            {.storage = precision.storage}) {
    const auto projection = [&](const char* name, std::int64_t outputs) {
      return std::make_unique<Linear>(ChildOf{*this, name}, config.hidden_size, outputs, Bias::none,
                                      Precision{.storage = precision.storage});
    };
    if (counts_.balances() > 0) wg_0_ = projection("wg_0", counts_.balances());
    if (counts_.weighed() > 0) wg_1_ = projection("wg_1", counts_.weighed());
  }

  // normed [B, T, D]
  HeadGates forward(const Tensor& normed) const {
    const auto logits = wg_.forward(normed);
    const auto chosen = top_k(logits.detach(), counts_.chosen).chosen;
    const auto kept = softmax(logits) * chosen;
    const auto routed = kept / sum(kept, {-1}, KeepDims::yes) * static_cast<double>(counts_.chosen);
    if (wg_0_ == nullptr) return {routed, logits, chosen};
    const auto balance = softmax(wg_0_->forward(normed)) * 2;
    auto shared = slice(balance, -1, 0, 1) * static_cast<double>(counts_.shared);
    if (wg_1_ != nullptr) shared = shared * softmax(wg_1_->forward(normed));
    return {cat({shared, slice(balance, -1, 1, 2) * routed}, -1), logits, chosen};
  }

 private:
  HeadCounts counts_;
  Linear wg_;
  std::unique_ptr<const Linear> wg_0_, wg_1_;
};

// 1 of the shared heads and of those with the longest queries, [B, T, H, dk], else 0.
Tensor gates_by_length(const Tensor& given_query, const HeadCounts& counts) {
  const auto query = given_query.detach();
  const auto squares = sum(query * query, {-1});  // [B, T, H]
  const auto heads = counts.shared + counts.routed;
  const auto chosen = top_k(slice(squares, -1, counts.shared, heads), counts.chosen).chosen;
  if (counts.shared == 0) return chosen;
  const auto ones =
      zeros({query.size(0), query.size(1), counts.shared}, query.dtype(), query.device()) + 1;
  return cat({ones, chosen}, -1);
}

class MixtureOfHeads final : public AttentionMechanism {
 public:
  MixtureOfHeads(const ChildOf& place, const MixtureOptions& options, const LlamaConfig& config,
                 std::int64_t layer, Precision precision)
      : AttentionMechanism(place),
        options_(options),
        counts_(options.counts(config)),
        losses_(options.losses),
        precision_(precision),
        layer_(layer),
        heads_({*this, ""}, options, config, precision),
        o_proj_({*this, "o_proj"}, config.num_attention_heads * config.head_dim, config.hidden_size,
                bias_if(options.out_bias(config)), precision),
        scores_(*this, options, config, layer_, precision) {
    if (options.router == HeadRouterKind::learned) {
      router_ = std::make_unique<HeadRouter>(ChildOf{*this, ""}, counts_, config, precision);
    }
  }

  RecordNeeds needs() const override {
    return scores_.needs() | RecordNeeds{.auxiliary_loss = router_ != nullptr};
  }
  ScoreWeights score_weights() const override {
    return {.queries = {"q_proj.weight"}, .keys = {"k_proj.weight"}};
  }
  // Of one head chosen the gate is what it is whatever the logits are.
  std::vector<std::string> inert(const LlamaConfig&) const override {
    auto names = heads_.inert();
    if (router_ && counts_.chosen == 1 && losses_.are_constant(counts_.routed)) {
      names.emplace_back("wg.weight");
    }
    return names;
  }

  Tensor forward(const Tensor& normed, const ForwardPass& pass,
                 LayerRecord& record) const override {
    const auto scope = enter();
    const auto dtype = attention_dtype(precision_, pass.options, normed.device());
    const auto projected = heads_.forward(normed);
    const auto query = cast(with_positions(projected.query, options_, pass), dtype);
    const auto seen =
        keys_and_values_so_far(cast(with_positions(projected.key, options_, pass), dtype),
                               cast(projected.value, dtype), scores_, pass);
    const auto attended = scores_.attend(query, seen.key, seen.value, pass, record);
    const auto routed = router_ ? router_->forward(normed)
                                : HeadGates{gates_by_length(projected.query, counts_), {}, {}};
    if (pass.needs.auxiliary_loss && router_) {
      record.auxiliary_loss = losses_.of(routed.logits, routed.chosen);
    }
    if (auto* trace = pass.options.trace) trace->gates[layer_] = routed.gates.detach();
    if (pass.needs.replay) record.of_attention = {routed.gates};
    return gated_output(attended, routed.gates);
  }

  Tensor values(const Tensor& normed) const override { return heads_.values(normed); }

  std::vector<Tensor> choice(const Tensor& normed) const override {
    return {router_ ? router_->forward(normed).gates
                    : gates_by_length(heads_.forward(normed).query, counts_)};
  }

  // With the gates of the run that is repeated.
  Tensor output(const Tensor& attended, const LayerRecord& record) const override {
    return gated_output(attended, record.of_attention.at(0));
  }

 private:
  // attended [B, T, H, dk], gates [B, T, H]
  Tensor gated_output(const Tensor& attended, const Tensor& gates) const {
    const auto of_heads = reshape(gates, {gates.size(0), gates.size(1), gates.size(2), 1});
    return o_proj_.forward(joined_heads(cast(attended, gates.dtype()) * of_heads));
  }

  HeadOptions options_;
  HeadCounts counts_;
  RouterLosses losses_;
  Precision precision_;
  std::int64_t layer_;
  HeadProjections heads_;
  std::unique_ptr<const HeadRouter> router_;  // null: by the length of queries
  Linear o_proj_;
  AttentionScores scores_;
};

std::unique_ptr<AttentionMechanism> MixtureOptions::make(const ChildOf& place,
                                                         const LlamaConfig& config,
                                                         std::int64_t layer,
                                                         Precision precision) const {
  return std::make_unique<MixtureOfHeads>(place, *this, config, layer, precision);
}

const AttentionTypes::Add registered{std::string(moh), [](const AttentionText& text) {
                                       return std::make_unique<MixtureOptions>(text);
                                     }};
const RegisteredPresets::Add preset{
    "moh",
    {.description = "each token weighs its heads: a quarter shared by all, half chosen (MoH)",
     .config = PresetKeys([](const LlamaConfig& config) {
       const auto counts = MixtureOptions::of_model(config);
       return fmt::format(R"({{"attention_mechanism": {{"type": "moh", "num_shared_heads": {}, )"
                          R"("num_selected_heads": {}}}}})",
                          counts.shared, counts.chosen);
     })}};

}  // namespace
}  // namespace lookback
