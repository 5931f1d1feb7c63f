// Multi-overlapped-head self-attention (Zhang et al. 2024): each head also sees the columns next to
// its own, p of each neighbor. Of queries, keys and values of width H dk, with p zeros at both
// ends, head h takes the columns [h dk, h dk + dk + 2p); then rotary positions over dk + 2p
// columns, scores times (dk + 2p)^-1/2, and an output projection of H (dk + 2p) columns.
// The cache holds rotated keys, H (dk + 2p) numbers, and values as projected, H dk.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "autograd/ops/cast.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/slice.h"
#include "nn/layer/attention_dtype.h"
#include "nn/layer/attention_mechanism.h"
#include "nn/layer/attention_scores.h"
#include "nn/layer/head_projections.h"
#include "nn/layer/model_hooks.h"
#include "nn/layer/preset.h"

namespace lookback {
namespace {

constexpr std::string_view mohsa = "mohsa";

class OverlappedOptions final : public AttentionOptions {
 public:
  explicit OverlappedOptions(const AttentionText& text)
      : AttentionOptions(mohsa, text, {.own = {"overlap_dim"}}) {
    text.reader.need({"overlap_dim"});
    text.reader.read("overlap_dim", overlap, ConfigReader::Least::zero);
    text.reader.check(overlap <= text.config.head_dim, "overlap_dim",
                      "must be at most the head size, {}", text.config.head_dim);
    require_own_key_heads(text);
  }
  std::unique_ptr<AttentionMechanism> make(const ChildOf& place, const LlamaConfig& config,
                                           std::int64_t layer, Precision precision) const override;
  std::int64_t width(const LlamaConfig& config) const { return config.head_dim + 2 * overlap; }
  std::optional<double> score_width(const LlamaConfig& config) const override {
    return static_cast<double>(width(config));
  }
  AttentionWork work(const LlamaConfig& config) const override {
    const auto columns = config.num_attention_heads * width(config);
    const auto projected = config.num_attention_heads * config.head_dim;
    return {.projections = config.hidden_size * (3 * projected + columns), .per_key = 2 * columns};
  }
  std::optional<std::int64_t> rotary_width(const LlamaConfig& config) const override {
    return width(config);
  }
  std::shared_ptr<const AttentionOptions> resized(const LlamaConfig& config) const override {
    auto other = std::make_shared<OverlappedOptions>(*this);
    other->overlap = std::min(overlap, config.head_dim / 4);
    return other;
  }

  std::int64_t overlap = 0;  // p

 private:
  void write_own(nlohmann::ordered_json& object) const override { object["overlap_dim"] = overlap; }
};

class OverlappedAttention final : public AttentionMechanism {
 public:
  OverlappedAttention(const ChildOf& place, const OverlappedOptions& options,
                      const LlamaConfig& config, std::int64_t layer, Precision precision)
      : AttentionMechanism(place),
        options_(options),
        overlap_(options.overlap),
        precision_(precision),
        heads_({*this, ""}, options, config, precision),
        o_proj_({*this, "o_proj"}, config.num_attention_heads * options.width(config),
                config.hidden_size, bias_if(options.out_bias(config)), precision),
        scores_(*this, options, config, layer, precision) {}

  RecordNeeds needs() const override { return scores_.needs(); }
  ScoreWeights score_weights() const override {
    return {.queries = {"q_proj.weight"}, .keys = {"k_proj.weight"}};
  }
  std::vector<std::string> inert(const LlamaConfig&) const override { return heads_.inert(); }

  Tensor forward(const Tensor& normed, const ForwardPass& pass,
                 LayerRecord& record) const override {
    const auto scope = enter();
    const auto dtype = attention_dtype(precision_, pass.options, normed.device());
    const auto projected = heads_.forward(normed);
    const auto query = cast(overlapped(projected.query, pass), dtype);
    const auto seen = keys_and_values_so_far(cast(overlapped(projected.key, pass), dtype),
                                             cast(projected.value, dtype), scores_, pass);
    return output(scores_.attend(query, seen.key, attendable(seen.value), pass, record), record);
  }

  Tensor values(const Tensor& normed) const override { return heads_.values(normed); }
  Tensor attendable(const Tensor& values) const override { return widened(values); }

  Tensor output(const Tensor& attended, const LayerRecord&) const override {
    return o_proj_.forward(joined_heads(attended));
  }

 private:
  // Queries or keys [B, T, H, dk] as scores take them, [B, T, H, dk + 2p].
  Tensor overlapped(const Tensor& x, const ForwardPass& pass) const {
    return pass.hooks->overlapped(
        x, [&](const Tensor& heads) { return widened(heads); },
        [&](const Tensor& heads) { return with_positions(heads, options_, pass); });
  }
  // [B, T, H, dk] -> [B, T, H, dk + 2p]: the last p columns of the head before, its own, and the
  // first p of the head behind.
  Tensor widened(const Tensor& x) const {
    if (overlap_ == 0) return x;
    const auto heads = x.size(2), width = x.size(3);
    const auto nothing = zeros({x.size(0), x.size(1), 1, overlap_}, x.dtype(), x.device());
    const auto last = slice(slice(x, -1, width - overlap_, width), 2, 0, heads - 1);
    const auto first = slice(slice(x, -1, 0, overlap_), 2, 1, heads);
    return cat({cat({nothing, last}, 2), x, cat({first, nothing}, 2)}, -1);
  }

  HeadOptions options_;
  std::int64_t overlap_;
  Precision precision_;
  HeadProjections heads_;
  Linear o_proj_;
  AttentionScores scores_;
};

std::unique_ptr<AttentionMechanism> OverlappedOptions::make(const ChildOf& place,
                                                            const LlamaConfig& config,
                                                            std::int64_t layer,
                                                            Precision precision) const {
  return std::make_unique<OverlappedAttention>(place, *this, config, layer, precision);
}

const AttentionTypes::Add registered{std::string(mohsa), [](const AttentionText& text) {
                                       return std::make_unique<OverlappedOptions>(text);
                                     }};
const RegisteredPresets::Add preset{
    "mohsa",
    {.description = "heads that overlap with their neighbors by a quarter",
     .config = PresetKeys([](const LlamaConfig& config) {
       return fmt::format(R"({{"attention_mechanism": {{"type": "mohsa", "overlap_dim": {}}}, )"
                          R"("num_key_value_heads": {}}})",
                          config.head_dim / 4, config.num_attention_heads);
     })}};

}  // namespace
}  // namespace lookback
