#include "apps/inspect/cache_sizes.h"

#include "autograd/grad_mode.h"
#include "nn/layer/attention_dtype.h"
#include "runtime/transfer.h"

namespace lookback {

CacheSizes measure_cache(const Llama& llama, std::int64_t token) {
  const NoGrad no_grad;
  ForwardOptions forward;
  const auto dtype = attention_dtype(llama.precision, forward, llama.model.norm.weight.device());
  KeyValueCache cache(1, 1, dtype);
  forward.cache = &cache;
  llama.last_logits(to_default_device(from_values(std::vector{token}, {1, 1})), forward);
  const auto& config = llama.config;
  const auto numbers = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim;
  return {.per_token = cache.bytes_per_token(),
          .per_sequence = cache.bytes_per_sequence(),
          .plain_per_token = static_cast<std::size_t>(numbers) * size_of(dtype)};
}

}  // namespace lookback
