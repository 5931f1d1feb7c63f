#include "nn/llama/key_value_cache.h"

#include "autograd/record.h"
#include "kernels/copy.h"

namespace lookback {
namespace {

// Positions [begin, end) of every sequence.
Tensor positions_of(const Tensor& cached, std::int64_t begin, std::int64_t end) {
  auto shape = cached.shape();
  shape[1] = end - begin;
  return cached.alias(shape, cached.strides(), begin * cached.strides()[1]);
}

}  // namespace

KeyValueCache::KeyValueCache(const LlamaConfig& config, std::int64_t batch, std::int64_t capacity,
                             DType dtype) {
  const Shape shape{batch, capacity, config.num_key_value_heads, config.head_dim};
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    all_keys.push_back(empty(shape, dtype));
    all_values.push_back(empty(shape, dtype));
  }
}

KeyValueCache::KeysAndValues KeyValueCache::append(std::int64_t layer, std::int64_t position,
                                                   const Tensor& keys, const Tensor& values) {
  no_gradient("key_value_cache", {keys, values});
  const auto& cached_keys = all_keys[static_cast<std::size_t>(layer)];
  const auto& cached_values = all_values[static_cast<std::size_t>(layer)];
  const std::int64_t end = position + keys.size(1);
  if (end > cached_keys.size(1)) {
    fail("key_value_cache", "{} positions do not fit a cache made for {}", end,
         cached_keys.size(1));
  }
  kernels::copy_forward(keys.backend(), {.x = keys, .y = positions_of(cached_keys, position, end)});
  kernels::copy_forward(values.backend(),
                        {.x = values, .y = positions_of(cached_values, position, end)});
  return {positions_of(cached_keys, 0, end), positions_of(cached_values, 0, end)};
}

std::size_t KeyValueCache::bytes_per_token() const {
  std::size_t bytes = 0;
  for (const auto* side : {&all_keys, &all_values}) {
    for (const auto& cached : *side) {
      bytes += static_cast<std::size_t>(cached.size(2) * cached.size(3)) * size_of(cached.dtype());
    }
  }
  return bytes;
}

}  // namespace lookback
