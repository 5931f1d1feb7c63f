#include "nn/layer/key_value_cache.h"

#include <algorithm>

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

std::string_view name_of(CachePolicy::Kind kind) {
  switch (kind) {
    case CachePolicy::Kind::streaming_llm: return "streaming_llm";
    case CachePolicy::Kind::h2o: return "h2o";
    default: return "full";
  }
}

Tensor CachedRows::append(std::int64_t position, const Tensor& rows) {
  no_gradient("key_value_cache", {rows});
  const std::int64_t end = position + rows.size(1);
  if (end > room_.capacity) {
    fail("key_value_cache", "{} positions do not fit a cache made for {}", end, room_.capacity);
  }
  if (!rows_so_far_.defined()) {
    auto shape = rows.shape();
    shape[0] = room_.batch;
    shape[1] = room_.capacity;
    rows_so_far_ = empty(shape, room_.dtype, rows.device());
  }
  kernels::copy_forward(rows.backend(),
                        {.x = rows, .y = positions_of(rows_so_far_, position, end)});
  return positions_of(rows_so_far_, 0, end);
}

std::size_t CachedRows::bytes_per_token() const {
  if (!rows_so_far_.defined()) return 0;
  std::int64_t numbers = 1;
  for (int dim = 2; dim < rows_so_far_.rank(); ++dim) numbers *= rows_so_far_.size(dim);
  return static_cast<std::size_t>(numbers) * size_of(rows_so_far_.dtype());
}

std::size_t bytes_of_state(const Tensor& state) {
  if (!state.defined()) return 0;
  const auto sequences = std::max<std::int64_t>(1, state.size(0));
  return static_cast<std::size_t>(state.numel() / sequences) * size_of(state.dtype());
}

Tensor KeyValueCache::value_weight(std::size_t layer, const std::function<Tensor()>& make) {
  if (value_weights_.size() <= layer) value_weights_.resize(layer + 1);
  auto& weight = value_weights_[layer];
  if (!weight.defined()) weight = make();
  return weight;
}

std::size_t KeyValueCache::bytes_per_token() const {
  std::size_t bytes = 0;
  for (const auto& [layer, cache] : layers_) bytes += cache->bytes_per_token();
  for (const auto& [place, values] : replayed_values_) bytes += values.bytes_per_token();
  return bytes;
}

std::size_t KeyValueCache::bytes_per_sequence() const {
  std::size_t bytes = 0;
  for (const auto& [layer, cache] : layers_) bytes += cache->bytes_per_sequence();
  for (const auto& [place, state] : replayed_states_) bytes += bytes_of_state(state);
  return bytes;
}

}  // namespace lookback
