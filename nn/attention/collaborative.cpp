// Collaborative heads (Cordonnier et al. 2020): queries and keys of K columns are shared by all
// heads, and each head weighs their columns by a mixing vector m_h of its own.
//   q~ = n W^Q, k~ = n W^K [K], both turned by rotary positions in blocks of dk
//   S_h(i, j) = ((q~_i * m_h) . k~_j + n_j . u_h) (K / H)^-1/2
// u = content_bias is what biases of queries leave in the scores: there with attention_bias alone.
// With rotary positions a mixing number is that of a pair, and column b dk/2 + p of M [H, K/2]
// serves columns b dk + p and b dk + p + dk/2; else scores would depend on absolute positions.
// The cache holds k~, K numbers, the values, and the H terms n_j . u_h where there is a bias.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "autograd/ops/binary.h"
#include "autograd/ops/broadcast_to.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/reshape.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_mechanism.h"
#include "nn/layer/attention_scores.h"
#include "nn/layer/head_projections.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

constexpr std::string_view collaborative = "collaborative";

// What a fresh mixing matrix holds: `concatenate` 1 on the head's own columns and 0 elsewhere,
// which is a head per block; `ones`; `normal` with standard deviation 0.2.
enum class MixingInit { concatenate, ones, normal };
const std::vector<std::string> mixing_names{"concatenate", "ones", "normal"};

class CollaborativeOptions final : public AttentionOptions {
 public:
  explicit CollaborativeOptions(const AttentionText& text)
      : AttentionOptions(collaborative, text,
                         {.own = {"key_query_dim", "mixing_init"},
                          .refused = {{"qk_norm", {"rms_norm_per_head"}}}}) {
    const auto& reader = text.reader;
    reader.need({"key_query_dim"});
    reader.read("key_query_dim", shared);
    reader.check(!tied() || shared % text.config.head_dim == 0, "key_query_dim",
                 "must be a multiple of the head size, {}, for rotary positions",
                 text.config.head_dim);
    if (reader.find("mixing_init") != nullptr) {
      mixing = static_cast<MixingInit>(reader.read_word("mixing_init", mixing_names));
    }
    require_own_key_heads(text);
  }
  std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                           std::int64_t layer, Precision precision) const override;
  std::optional<double> score_width(const LlamaConfig& config) const override {
    return static_cast<double>(shared) / static_cast<double>(config.num_attention_heads);
  }
  AttentionWork work(const LlamaConfig& config) const override {
    const auto heads = config.num_attention_heads, values = heads * config.head_dim;
    const auto terms = config.attention_bias ? heads : 0;  // of content_bias, a column of each head
    return {.projections = config.hidden_size * (2 * shared + 2 * values + terms),
            .per_key = heads * shared + values + terms};
  }
  std::optional<std::int64_t> rotary_width(const LlamaConfig& config) const override {
    return config.head_dim;
  }
  std::shared_ptr<const AttentionOptions> resized(const LlamaConfig& config) const override {
    auto other = std::make_shared<CollaborativeOptions>(*this);
    other->shared = of_model(config);
    return other;
  }

  // The preset's: half the width of all heads, in whole heads.
  static std::int64_t of_model(const LlamaConfig& config) {
    return std::max<std::int64_t>(config.num_attention_heads / 2, 1) * config.head_dim;
  }
  // Whether the two columns of a rotary pair share a number.
  bool tied() const { return positions == Positions::rope; }

  std::int64_t shared = 0;  // K
  MixingInit mixing = MixingInit::concatenate;

 private:
  void write_own(nlohmann::ordered_json& object) const override {
    object["key_query_dim"] = shared;
    if (mixing != MixingInit::concatenate) {
      object["mixing_init"] = mixing_names[static_cast<std::size_t>(mixing)];
    }
  }
};

// k~ [B, S, 1, K], values [B, S, H, dk], terms of the bias [B, S, 1, H].
struct SharedKeysCache final : LayerCache {
  explicit SharedKeysCache(const CacheRoom& room) : keys(room), values(room), terms(room) {}
  std::size_t bytes_per_token() const override {
    return keys.bytes_per_token() + values.bytes_per_token() + terms.bytes_per_token();
  }
  std::size_t bytes_per_sequence() const override {
    return keys.bytes_per_sequence() + values.bytes_per_sequence() + terms.bytes_per_sequence();
  }
  CachedRows keys, values, terms;
};

// M [H, columns].
class Mixing final : public Module {
 public:
  Mixing(ChildOf place, const CollaborativeOptions& options, const LlamaConfig& config,
         Precision precision)
      : Module(std::move(place)),
        shared_(options.shared),
        head_dim_(config.head_dim),
        tied_(options.tied()) {
    const auto heads = config.num_attention_heads;
    const auto columns = tied_ ? shared_ / 2 : shared_;
    mixing_ = register_parameter("mixing", empty({heads, columns}, precision.storage),
                                 initial(options.mixing, heads, columns));
  }

  // [H, K]: a number for each column.
  Tensor of_columns() const {
    const auto heads = mixing_.size(0);
    if (!tied_) return mixing_;
    const auto pairs = reshape(mixing_, {heads, shared_ / head_dim_, head_dim_ / 2});
    return reshape(cat({pairs, pairs}, -1), {heads, shared_});
  }

 private:
  static Initial initial(MixingInit kind, std::int64_t heads, std::int64_t columns) {
    if (kind == MixingInit::ones) return Initial::constant(1);
    if (kind == MixingInit::normal) return Initial::normal(0.2);
    const auto block = (columns + heads - 1) / heads;
    std::vector<double> values(static_cast<std::size_t>(heads * columns), 0);
    for (std::int64_t head = 0; head < heads; ++head) {
      const auto end = std::min(columns, (head + 1) * block);
      for (auto column = head * block; column < end; ++column) {
        values[static_cast<std::size_t>(head * columns + column)] = 1;
      }
    }
    return Initial::given(std::move(values));
  }

  std::int64_t shared_, head_dim_;
  bool tied_;
  Tensor mixing_;
};

class CollaborativeAttention final : public AttentionMechanism {
 public:
  CollaborativeAttention(const ChildOf& place, const CollaborativeOptions& options,
                         const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AttentionMechanism(place),
        options_(options),
        precision_(precision),
        head_count_(config.num_attention_heads),
        head_dim_(config.head_dim),
        q_proj_({*this, "q_proj"}, config.hidden_size, options.shared, Bias::none, precision),
        k_proj_({*this, "k_proj"}, config.hidden_size, options.shared, Bias::none, precision),
        mixing_({*this, ""}, options, config, precision),
        v_proj_({*this, "v_proj"}, config.hidden_size, head_count_ * head_dim_,
                bias_if(config.attention_bias), precision),
        o_proj_({*this, "o_proj"}, head_count_ * head_dim_, config.hidden_size,
                bias_if(options.out_bias(config)), precision),
        norm_({*this, ""}, options,
              {.query = options.shared, .key = options.shared, .head = head_dim_}, config,
              precision),
        scores_(*this, options, config, layer, precision) {
    if (config.attention_bias) {
      content_bias_ = std::make_unique<Linear>(ChildOf{*this, "content_bias"}, config.hidden_size,
                                               head_count_, Bias::none, precision);
    }
  }

  RecordNeeds needs() const override { return scores_.needs(); }
  const LinearValues* linear_values() const override { return options_.clip ? nullptr : &linear_; }
  ScoreWeights score_weights() const override {
    return {.queries = {"q_proj.weight"}, .keys = {"k_proj.weight"}};
  }

  Tensor forward(const Tensor& normed, const ForwardPass& pass,
                 LayerRecord& record) const override {
    const auto scope = enter();
    const auto dtype = attention_dtype(precision_, pass.options, normed.device());
    const auto shared_query = in_blocks(
        norm_.whole_query(clipped(q_proj_.forward(normed), options_)), pass);  // [B, T, 1, K]
    auto shared_key =
        cast(in_blocks(norm_.whole_key(clipped(k_proj_.forward(normed), options_)), pass), dtype);
    auto value = cast(values(normed), dtype);
    Tensor terms;  // [B, S, 1, H]
    if (content_bias_) terms = cast(split_heads(content_bias_->forward(normed), 1), dtype);
    if (pass.options.cache != nullptr) {
      auto& cache = scores_.cache<SharedKeysCache>(pass);
      shared_key = cache.keys.append(pass.position, shared_key);
      value = cache.values.append(pass.position, value);
      if (content_bias_) terms = cache.terms.append(pass.position, terms);
    }
    const auto query = cast(shared_query * mixing_.of_columns(), dtype);  // [B, T, H, K]
    const auto key =
        broadcast_to(shared_key, {value.size(0), value.size(1), head_count_, shared_key.size(3)});
    return output(attend(query, key, value, terms, pass, record), record);
  }

  Tensor values(const Tensor& normed) const override {
    return split_heads(clipped(v_proj_.forward(normed), options_), head_count_);
  }
  Tensor output(const Tensor& attended, const LayerRecord&) const override {
    return o_proj_.forward(joined_heads(attended));
  }

 private:
  // [B, T, K] -> [B, T, 1, K], turned block by block.
  Tensor in_blocks(const Tensor& x, const ForwardPass& pass) const {
    if (options_.positions != Positions::rope) return split_heads(x, 1);
    const auto blocks = split_heads(x, x.size(2) / head_dim_);
    return split_heads(joined_heads(with_positions(blocks, options_, pass)), 1);
  }

  // The terms of the bias are one more column, by which every query is 1.
  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& terms,
                const ForwardPass& pass, LayerRecord& record) const {
    if (!terms.defined()) return scores_.attend(query, key, value, pass, record);
    const auto one =
        zeros({query.size(0), query.size(1), head_count_, 1}, query.dtype(), query.device()) + 1;
    const auto terms_column = reshape(terms, {key.size(0), key.size(1), head_count_, 1});
    return scores_.attend(cat({query, one}, -1), cat({key, terms_column}, -1), value, pass, record);
  }

  HeadOptions options_;
  Precision precision_;
  std::int64_t head_count_, head_dim_;
  Linear q_proj_, k_proj_;
  Mixing mixing_;
  std::unique_ptr<const Linear> content_bias_;
  Linear v_proj_, o_proj_;
  QueryKeyNorm norm_;
  LinearValues linear_{v_proj_, o_proj_, head_dim_};
  AttentionScores scores_;
};

std::unique_ptr<AttentionMechanism> CollaborativeOptions::make(const ChildOf& place,
                                                               const LlamaConfig& config,
                                                               std::int64_t layer,
                                                               Precision precision) const {
  return std::make_unique<CollaborativeAttention>(place, *this, config, layer, precision);
}

const AttentionTypes::Add registered{std::string(collaborative), [](const AttentionText& text) {
                                       return std::make_unique<CollaborativeOptions>(text);
                                     }};
const RegisteredPresets::Add preset{
    "collaborative",
    {.description = "heads share queries and keys, and weigh their columns (half as many)",
     .config = PresetKeys([](const LlamaConfig& config) {
       return fmt::format(
           R"({{"attention_mechanism": {{"type": "collaborative", "key_query_dim": {}}}, )"
           R"("num_key_value_heads": {}}})",
           CollaborativeOptions::of_model(config), config.num_attention_heads);
     })}};

}  // namespace
}  // namespace lookback
