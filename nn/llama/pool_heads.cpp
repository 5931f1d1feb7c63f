#include "nn/llama/pool_heads.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "nn/layer/attention_options.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// Those with a block of rows of k_proj and v_proj for each key and value head, of which there may
// be any divisor of the query heads.
constexpr std::array<std::string_view, 4> poolable = {"causal", "dcmha", "linear", "moh"};

// "model.layers.0.self_attn.k_proj.weight" -> "k_proj"
std::string_view module_of(std::string_view name) {
  const auto end = name.rfind('.');
  if (end == name.npos) return {};
  const auto begin = name.rfind('.', end - 1);
  return name.substr(begin + 1, end - begin - 1);
}

bool is_of_key_value_heads(std::string_view name, const Tensor& parameter,
                           const LlamaConfig& config) {
  const auto module = module_of(name);
  if (module == "k_proj" || module == "v_proj" || module == "k_ln") return true;
  // A norm of each head by itself is shared by the heads.
  const auto heads = config.num_key_value_heads;
  return module == "k_norm" && heads > 1 && parameter.size(0) == heads * config.head_dim;
}

}  // namespace

std::string_view name_of(PooledHead pooled) {
  return pooled == PooledHead::mean ? "mean" : "first";
}

std::string reason_against_pooling(const LlamaConfig& config, std::int64_t heads) {
  if (heads < 1 || config.num_key_value_heads % heads != 0) {
    return fmt::format("must divide num_key_value_heads, {}", config.num_key_value_heads);
  }
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const auto type = attention_of(config, layer)->type();
    if (std::ranges::find(poolable, type) != poolable.end()) continue;
    return fmt::format("layer {} has attention {}: only key and value heads of {} can be pooled",
                       layer, type, fmt::join(poolable, ", "));
  }
  return {};
}

Tensor with_pooled_heads(const std::string& name, const Tensor& parameter,
                         const LlamaConfig& config, std::int64_t heads, PooledHead pooled) {
  if (!is_of_key_value_heads(name, parameter, config)) return parameter;
  const auto reason = reason_against_pooling(config, heads);
  const Check check{"pool_heads"};
  check(reason.empty(), "{} heads: {}", heads, reason);
  const auto group = config.num_key_value_heads / heads;
  const auto of_head = parameter.numel() / config.num_key_value_heads;
  auto shape = parameter.shape();
  shape[0] = heads * config.head_dim;
  const auto result = empty(shape, parameter.dtype(), cpu_device);
  visit_floating(parameter.dtype(), [&]<class T>(TypeTag<T>) {
    const auto* from = parameter.data<T>();
    auto* to = result.data<T>();
    const auto count = pooled == PooledHead::mean ? group : 1;
    for (std::int64_t head = 0; head < heads; ++head) {
      for (std::int64_t i = 0; i < of_head; ++i) {
        double sum = 0;
        for (std::int64_t k = 0; k < count; ++k) {
          sum += static_cast<double>(from[(head * group + k) * of_head + i]);
        }
        to[head * of_head + i] = static_cast<T>(sum / static_cast<double>(count));
      }
    }
  });
  return result;
}

}  // namespace lookback
