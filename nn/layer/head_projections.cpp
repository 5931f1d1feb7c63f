#include "nn/layer/head_projections.h"

#include "autograd/ops/cast.h"
#include "autograd/ops/linear_many.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/rotated_heads.h"
#include "autograd/ops/unary.h"
#include "nn/layer/model_hooks.h"

namespace lookback {

Tensor joined_heads(const Tensor& x) {
  return reshape(x, {x.size(0), x.size(1), x.size(2) * x.size(3)});
}

Tensor split_heads(const Tensor& x, std::int64_t heads) {
  return reshape(x, {x.size(0), x.size(1), heads, x.size(2) / heads});
}

Tensor with_positions(const Tensor& x, const HeadOptions& options, const ForwardPass& pass,
                      const RopeFormats& formats) {
  if (options.positions != Positions::rope) return formats.result ? cast(x, *formats.result) : x;
  return rope(x, pass.rope(x.size(3)), pass.hooks->rotary_position(pass.position), formats);
}

Tensor clipped(const Tensor& x, const HeadOptions& options) {
  return options.clip ? clamp(x, *options.clip) : x;
}

namespace {

struct KeysAndValuesCache final : LayerCache {
  explicit KeysAndValuesCache(const CacheRoom& room) : keys(room), values(room) {}
  std::size_t bytes_per_token() const override {
    return keys.bytes_per_token() + values.bytes_per_token();
  }
  std::size_t bytes_per_sequence() const override {
    return keys.bytes_per_sequence() + values.bytes_per_sequence();
  }
  CachedRows keys, values;
};

}  // namespace

KeysAndValues keys_and_values_so_far(const Tensor& key, const Tensor& value,
                                     const AttentionScores& scores, const ForwardPass& pass) {
  if (pass.options.cache == nullptr) return {key, value};
  auto& cache = scores.cache<KeysAndValuesCache>(pass);
  return {cache.keys.append(pass.position, key), cache.values.append(pass.position, value)};
}

HeadProjections::HeadProjections(ChildOf place, const HeadOptions& options,
                                 const LlamaConfig& config, Precision precision)
    : HeadProjections(
          std::move(place), options, config, precision,
          {(config.num_attention_heads + 2 * config.num_key_value_heads) * config.head_dim,
           config.hidden_size, precision.storage}) {}

HeadProjections::HeadProjections(ChildOf place, const HeadOptions& options,
                                 const LlamaConfig& config, Precision precision, RowsOfOne weights)
    : Module(std::move(place)),
      options_(options),
      heads_(config.num_attention_heads),
      key_value_heads_(config.num_key_value_heads),
      width_(config.head_dim),
      precision_(precision),
      q_proj_({*this, "q_proj"}, weights.next(heads_ * width_), bias_if(config.attention_bias),
              precision),
      k_proj_({*this, "k_proj"}, weights.next(key_value_heads_ * width_),
              bias_if(config.attention_bias), precision),
      v_proj_({*this, "v_proj"}, weights.next(key_value_heads_ * width_),
              bias_if(config.attention_bias), precision),
      norm_({*this, ""}, options,
            {.query = heads_ * config.head_dim,
             .key = key_value_heads_ * config.head_dim,
             .head = config.head_dim},
            config, precision) {}

// The three read one input: one operation.
HeadProjections::Heads HeadProjections::forward(const Tensor& normed) const {
  const auto projected =
      linear_many(normed, {q_proj_.weight, k_proj_.weight, v_proj_.weight},
                  {q_proj_.bias, k_proj_.bias, v_proj_.bias}, precision_.products);
  const auto query = norm_.whole_query(clipped(projected[0], options_));
  const auto key = norm_.whole_key(clipped(projected[1], options_));
  return {.query = norm_.query_heads(split_heads(query, heads_)),
          .key = norm_.key_heads(split_heads(key, key_value_heads_)),
          .value = split_heads(clipped(projected[2], options_), key_value_heads_)};
}

bool HeadProjections::are_turned_alone() const {
  return options_.positions == Positions::rope && !options_.clip &&
         options_.qk_norm == QueryKeyNormKind::none;
}

// Where attention reads another format than the projections', values are copied in any case: then
// the three are one product, and parts of it. Else they are three, so that what backward keeps of
// the values keeps no queries and keys alive.
HeadProjections::Heads HeadProjections::at_positions(const Tensor& normed, const ForwardPass& pass,
                                                     DType dtype) const {
  if (are_turned_alone() && dtype != precision_.storage) {
    const auto joint =
        linear_joint(normed, {q_proj_.weight, k_proj_.weight, v_proj_.weight},
                     {q_proj_.bias, k_proj_.bias, v_proj_.bias}, precision_.products);
    auto [query, key, value] = rotated_heads(joint, {heads_, key_value_heads_}, pass.rope(width_),
                                             pass.hooks->rotary_position(pass.position), dtype);
    return {query, key, value};
  }
  const auto heads = forward(normed);
  const RopeFormats formats{.result = dtype,
                            .source = are_turned_alone() ? precision_.products : Products::native};
  return {.query = with_positions(heads.query, options_, pass, formats),
          .key = with_positions(heads.key, options_, pass, formats),
          .value = cast(heads.value, dtype)};
}

Tensor HeadProjections::values(const Tensor& normed) const {
  return split_heads(clipped(v_proj_.forward(normed), options_), key_value_heads_);
}

std::vector<std::string> HeadProjections::inert() const {
  if (options_.positions == Positions::rope || options_.soft_cap || options_.clip) return {};
  if (options_.qk_norm == QueryKeyNormKind::layer_norm) return {"k_ln.bias"};
  const bool biased = k_proj_.bias.defined() && options_.qk_norm == QueryKeyNormKind::none;
  return biased ? std::vector<std::string>{"k_proj.bias"} : std::vector<std::string>{};
}

}  // namespace lookback
