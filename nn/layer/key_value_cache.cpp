#include "nn/layer/key_value_cache.h"

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

Tensor append_to(const Tensor& cached, std::int64_t position, const Tensor& rows) {
  no_gradient("key_value_cache", {rows});
  const std::int64_t end = position + rows.size(1);
  if (end > cached.size(1)) {
    fail("key_value_cache", "{} positions do not fit a cache made for {}", end, cached.size(1));
  }
  kernels::copy_forward(rows.backend(), {.x = rows, .y = positions_of(cached, position, end)});
  return positions_of(cached, 0, end);
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
  return {append_to(all_keys[static_cast<std::size_t>(layer)], position, keys),
          append_to(all_values[static_cast<std::size_t>(layer)], position, values)};
}

Tensor KeyValueCache::append_values(std::int64_t layer, std::int64_t earlier, std::int64_t position,
                                    const Tensor& values) {
  auto& cached = replayed_values[{layer, earlier}];
  if (!cached.defined()) {
    const auto capacity = all_values[0].size(1);
    cached = empty({values.size(0), capacity, values.size(2), values.size(3)}, values.dtype());
  }
  return append_to(cached, position, values);
}

Tensor KeyValueCache::value_weight(std::size_t layer, const std::function<Tensor()>& make) {
  if (value_weights.size() <= layer) value_weights.resize(layer + 1);
  auto& weight = value_weights[layer];
  if (!weight.defined()) weight = make();
  return weight;
}

std::size_t KeyValueCache::bytes_per_token() const {
  std::size_t bytes = 0;
  const auto add = [&](const Tensor& cached) {
    bytes += static_cast<std::size_t>(cached.size(2) * cached.size(3)) * size_of(cached.dtype());
  };
  for (const auto& keys : all_keys) add(keys);
  for (const auto& values : all_values) add(values);
  for (const auto& [place, values] : replayed_values) add(values);
  return bytes;
}

}  // namespace lookback
