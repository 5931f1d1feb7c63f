#include "nn/layer/key_value_cache.h"

#include <algorithm>

#include "autograd/record.h"
#include "kernels/copy.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// Positions [begin, end) of every sequence.
Tensor positions_of(const Tensor& cached, std::int64_t begin, std::int64_t end) {
  auto shape = cached.shape();
  shape[1] = end - begin;
  return cached.alias(shape, cached.strides(), begin * cached.strides()[1]);
}

void copy_rows(const Tensor& from, std::int64_t first, const Tensor& to, std::int64_t place,
               std::int64_t count) {
  kernels::copy_forward(from.backend(), {.x = positions_of(from, first, first + count),
                                         .y = positions_of(to, place, place + count)});
}

}  // namespace

std::string_view name_of(CachePolicy::Kind kind) {
  switch (kind) {
    case CachePolicy::Kind::streaming_llm: return "streaming_llm";
    case CachePolicy::Kind::h2o: return "h2o";
    default: return "full";
  }
}

std::int64_t CachedRows::limit() const {
  const auto& reach = room_.reach;
  return reach.whole ? room_.capacity : std::min(room_.capacity, reach.most());
}

Tensor CachedRows::moved(const HeldPositions& kept, std::int64_t count, const Tensor& like) const {
  auto shape = like.shape();
  shape[0] = room_.batch;
  shape[1] = std::max(count, limit());
  const auto all = empty(shape, room_.dtype, like.device());
  std::int64_t taken = 0;
  const auto take = [&](std::int64_t from, std::int64_t rows) {
    if (rows > 0) copy_rows(rows_, from, all, taken, rows);
    taken += rows;
  };
  const auto& globals = room_.reach.globals;
  const auto row_of = [&](std::int64_t position) { return held_.globals + position - held_.first; };
  take(0, held_.globals);
  for (auto i = held_.globals; i < kept.globals;) {
    const auto position = globals[static_cast<std::size_t>(i)];
    std::int64_t run = 1;
    while (i + run < kept.globals && globals[static_cast<std::size_t>(i + run)] == position + run) {
      ++run;
    }
    take(row_of(position), run);
    i += run;
  }
  take(row_of(kept.first), kept.end - kept.first);
  return all;
}

Tensor CachedRows::append(std::int64_t position, const Tensor& rows) {
  no_gradient("key_value_cache", {rows});
  const Check check{"key_value_cache"};
  const auto fresh = rows.size(1), end = position + fresh;
  check(end <= room_.capacity, "{} positions do not fit a cache made for {}", end, room_.capacity);
  check(position == held_.end, "rows of position {} came behind those of {} positions", position,
        held_.end);
  const auto kept = room_.reach.before(position);
  const auto count = kept.count() + fresh;
  const bool in_place = rows_.defined() && kept.count() == held_.count() && count <= rows_.size(1);
  if (!in_place) rows_ = moved(kept, count, rows);
  copy_rows(rows, 0, rows_, kept.count(), fresh);
  held_ = {.globals = kept.globals, .first = kept.first, .end = end};
  const auto all = positions_of(rows_, 0, count);
  if (count > limit()) {
    const auto later = room_.reach.before(end);
    rows_ = moved(later, later.count(), rows);
    held_ = later;
  }
  return all;
}

std::size_t CachedRows::bytes_per_token() const {
  if (!rows_.defined()) return 0;
  std::int64_t numbers = 1;
  for (int dim = 2; dim < rows_.rank(); ++dim) numbers *= rows_.size(dim);
  return static_cast<std::size_t>(numbers) * size_of(rows_.dtype());
}

std::size_t CachedRows::bytes_per_sequence() const {
  const auto& reach = room_.reach;
  return reach.whole ? 0 : bytes_per_token() * static_cast<std::size_t>(reach.most());
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
  for (const auto& [place, values] : replayed_values_) bytes += values.bytes_per_sequence();
  for (const auto& [place, state] : replayed_states_) bytes += bytes_of_state(state);
  return bytes;
}

}  // namespace lookback
