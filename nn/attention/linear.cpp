// Linear attention (Katharopoulos et al. 2020): weights are products of positive features, so that
// the past of a sequence is a sum, however long it is.
//   phi(x) = x + 1 for x >= 0, e^x below
//   P_ij = rope(phi(q_i)) . rope(phi(k_j)) / (sum_{s <= i} phi(q_i) . phi(k_s) + epsilon), j <= i
// with rotary positions in the numerator alone (Su et al. 2021): a weight may then be negative. The
// same three ways: in chunks (autograd/ops/linear_attention.h), by P as a matrix, and from a state,
// which is all that a cache holds: G (dk dv + dk) numbers per sequence, nothing per token.
#include <memory>
#include <nlohmann/json.hpp>

#include "autograd/grad_mode.h"
#include "autograd/mask_watch.h"
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/broadcast_to.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/linear_attention.h"
#include "autograd/ops/mask_scores.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/permute.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/sum.h"
#include "autograd/ops/unary.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_mechanism.h"
#include "nn/layer/head_projections.h"
#include "nn/layer/preset.h"
#include "nn/layer/recorded_attention.h"

namespace lookback {
namespace {

constexpr std::string_view linear_type = "linear";
constexpr double default_epsilon = 1e-6;

class LinearOptions final : public AttentionOptions {
 public:
  explicit LinearOptions(const AttentionText& text)
      : AttentionOptions(linear_type, text,
                         {.own = {"epsilon"},
                          .refused = {{"softmax_scale"},
                                      {"attn_logit_softcapping"},
                                      {"position_embedding_type", {"alibi"}},
                                      {"pattern"}}}) {
    if (text.reader.find("epsilon") == nullptr) return;
    text.reader.read("epsilon", epsilon, ConfigReader::Least::zero);
  }

  std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                           std::int64_t layer, Precision precision) const override;
  std::optional<double> score_width(const LlamaConfig&) const override { return {}; }
  AttentionWork work(const LlamaConfig& config) const override {
    return {.projections = work_of_heads(config).projections,
            .state = 2 * config.num_attention_heads * config.head_dim * config.head_dim};
  }
  std::optional<std::int64_t> rotary_width(const LlamaConfig& config) const override {
    return config.head_dim;
  }
  std::shared_ptr<const AttentionOptions> resized(const LlamaConfig&) const override {
    return std::make_shared<LinearOptions>(*this);
  }

  double epsilon = default_epsilon;

 private:
  void write_own(nlohmann::ordered_json& object) const override {
    if (epsilon != default_epsilon) object["epsilon"] = epsilon;
  }
};

// phi of queries [B, T, H, dk] and keys [B, T, G, dk], as they are and turned by their positions.
struct Features {
  Tensor query, key, turned_query, turned_key;
};

// sum_d a_d b_d of all pairs, [B, H, T, S].
Tensor products(const Tensor& a, const Tensor& b) {
  const auto batch = a.size(0), rows = a.size(1), heads = a.size(2), width = a.size(3);
  const auto keys = b.size(1), key_heads = b.size(2);
  const auto by_group =
      permute(reshape(a, {batch, rows, key_heads, heads / key_heads, width}), {0, 2, 3, 1, 4});
  const auto columns = permute(reshape(b, {batch, keys, key_heads, 1, width}), {0, 2, 3, 4, 1});
  return reshape(matmul(by_group, columns), {batch, heads, rows, keys});
}

// P as a matrix, in the dtype of the features.
Tensor weights_of(const Features& features, double epsilon, const CausalMask& mask) {
  const auto dtype = features.query.dtype();
  const auto in_full = [&](const Tensor& x) { return cast(x, accumulator_of(dtype)); };
  const auto shares = mask_weights(products(in_full(features.query), in_full(features.key)), mask);
  const auto divisor = affine(sum(shares, {-1}, KeepDims::yes), 1, epsilon);
  const auto numerator = products(in_full(features.turned_query), in_full(features.turned_key));
  return cast(mask_weights(numerator / divisor, mask), dtype);
}

// What is left of the positions seen so far.
struct LinearState final : LayerCache {
  explicit LinearState(const CacheRoom&) {}
  std::size_t bytes_per_token() const override { return 0; }
  std::size_t bytes_per_sequence() const override {
    return bytes_of_state(products) + bytes_of_state(sums);
  }
  Tensor products, sums;  // [B, G, dk, dv] and [B, G, dk]; undefined: none seen
};

// Recorded features and divisors, applied to other values.
class LinearReplay final : public RunningReplay {
 public:
  LinearReplay(Tensor query, Tensor key, Tensor divisor, CausalMask mask)
      : query_(std::move(query)),
        key_(std::move(key)),
        divisor_(std::move(divisor)),
        mask_(std::move(mask)) {}

  Tensor apply(const Tensor& values) const override {
    return linear_attention(query_, key_, of_each_head(values), divisor_, mask_);
  }
  Tensor apply_behind(const Tensor& values, Tensor& state) const override {
    const auto step =
        continue_linear_attention(query_, key_, of_each_head(values), divisor_, state, mask_);
    state = step.state;
    return step.result;
  }
  std::vector<Tensor> tensors() const override { return {query_, key_, divisor_}; }
  std::shared_ptr<const AttentionReplay> with(const std::vector<Tensor>& all) const override {
    return std::make_shared<LinearReplay>(all[0], all[1], all[2], mask_);
  }

 private:
  // Values that all heads share have one head.
  Tensor of_each_head(const Tensor& values) const {
    auto shape = values.shape();
    shape[2] = key_.size(2);
    return values.size(2) == 1 ? broadcast_to(values, shape) : values;
  }

  Tensor query_, key_, divisor_;
  CausalMask mask_;
};

class LinearAttention final : public AttentionMechanism {
 public:
  LinearAttention(const ChildOf& place, const LinearOptions& options, const LlamaConfig& config,
                  std::int64_t layer, Precision precision)
      : AttentionMechanism(place),
        options_(options),
        epsilon_(options.epsilon),
        precision_(precision),
        layer_(layer),
        heads_({*this, ""}, options, config, precision),
        o_proj_({*this, "o_proj"}, config.num_attention_heads * config.head_dim, config.hidden_size,
                bias_if(options.out_bias(config)), precision) {}

  RecordNeeds needs() const override { return {}; }
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
    const auto features = features_of(projected, dtype, pass);
    const auto value = cast(projected.value, dtype);
    trace(features, pass);
    const auto attended = pass.options.cache != nullptr ? from_state(features, value, pass)
                          : pass.options.attention == AttentionPath::streaming
                              ? in_chunks(features, value, pass)
                              : by_weights(features, value, pass);
    if (pass.needs.replay) record.replay = attended.replay;
    return output(attended.output, record);
  }

  Tensor values(const Tensor& normed) const override { return heads_.values(normed); }

  Tensor output(const Tensor& attended, const LayerRecord&) const override {
    return o_proj_.forward(joined_heads(attended));
  }

 private:
  Features features_of(const HeadProjections::Heads& projected, DType dtype,
                       const ForwardPass& pass) const {
    const auto query = elu_plus_one(projected.query), key = elu_plus_one(projected.key);
    return {.query = cast(query, dtype),
            .key = cast(key, dtype),
            .turned_query = cast(with_positions(query, options_, pass), dtype),
            .turned_key = cast(with_positions(key, options_, pass), dtype)};
  }

  void trace(const Features& features, const ForwardPass& pass) const {
    auto* trace = pass.options.trace;
    if (trace == nullptr) return;
    if (pass.position > 0) {
      fail("linear_attention",
           "the weights of tokens behind a cache cannot be shown: the cache "
           "holds their sums, not the {} tokens themselves",
           pass.position);
    }
    trace->pieces.push_back(
        {.q = {features.turned_query}, .k = {features.turned_key}, .scales = {}});
    if (pass.options.attention == AttentionPath::explicit_weights) return;
    const NoGrad no_grad;  // only to be looked at
    const MaskWatch::Pause unwatched;
    trace->attention_weights.push_back(weights_of(features, epsilon_, pass.mask));
  }

  RecordedAttention by_weights(const Features& features, const Tensor& value,
                               const ForwardPass& pass) const {
    const MaskedWeights made{weights_of(features, epsilon_, pass.mask), pass.mask};
    if (auto* trace = pass.options.trace) trace->attention_weights.push_back(made.weights);
    return {apply_attention_weights(made.weights, value, made.mask), kept_weights(made)};
  }

  RecordedAttention in_chunks(const Features& of, const Tensor& value,
                              const ForwardPass& pass) const {
    const auto divisor = linear_attention_divisor(of.query, of.key, epsilon_);
    return {linear_attention(of.turned_query, of.turned_key, value, divisor, pass.mask),
            replay(of, divisor, pass)};
  }

  // On both paths: a cache holds nothing that weights could be made of.
  RecordedAttention from_state(const Features& of, const Tensor& value,
                               const ForwardPass& pass) const {
    auto& state = pass.options.cache->of_layer<LinearState>(layer_);
    const auto divisor = continue_linear_attention_divisor(of.query, of.key, epsilon_, state.sums);
    const auto attended = continue_linear_attention(of.turned_query, of.turned_key, value,
                                                    divisor.result, state.products, pass.mask);
    state.sums = divisor.state;
    state.products = attended.state;
    return {attended.result, replay(of, divisor.result, pass)};
  }

  static std::shared_ptr<const AttentionReplay> replay(const Features& of, const Tensor& divisor,
                                                       const ForwardPass& pass) {
    return std::make_shared<LinearReplay>(of.turned_query, of.turned_key, divisor, pass.mask);
  }

  HeadOptions options_;
  double epsilon_;
  Precision precision_;
  std::int64_t layer_;
  HeadProjections heads_;
  Linear o_proj_;
  LinearValues linear_{heads_.value_projection(), o_proj_, heads_.width()};
};

std::unique_ptr<AttentionMechanism> LinearOptions::make(const ChildOf& place,
                                                        const LlamaConfig& config,
                                                        std::int64_t layer,
                                                        Precision precision) const {
  return std::make_unique<LinearAttention>(place, *this, config, layer, precision);
}

const AttentionTypes::Add registered{std::string(linear_type), [](const AttentionText& text) {
                                       return std::make_unique<LinearOptions>(text);
                                     }};
const RegisteredPresets::Add preset{
    "linear",
    {.description = "the past of a sequence is a sum: linear in its length (Katharopoulos et al.)",
     .config = R"({"attention_mechanism": {"type": "linear"}})"}};

}  // namespace
}  // namespace lookback
