#include "nn/layer/bounded_attention.h"

#include <algorithm>
#include <numeric>

#include "autograd/ops/binary.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/index_select.h"
#include "autograd/ops/mask_scores.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/permute.h"
#include "autograd/ops/reshape.h"
#include "autograd/ops/rope.h"
#include "autograd/ops/slice.h"
#include "autograd/ops/softmax.h"
#include "autograd/ops/sum.h"
#include "autograd/ops/to_vector.h"
#include "autograd/ops/unary.h"
#include "nn/layer/residual_scheme.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// `rows` behind what there is, along `dim`.
void append(Tensor& all, const Tensor& rows, int dim) {
  all = all.defined() ? cat({all, rows}, dim) : rows;
}

std::size_t numbers_per_token(const Tensor& keys, int heads_dim) {
  if (!keys.defined()) return 0;
  return static_cast<std::size_t>(keys.size(heads_dim) * keys.size(3)) * size_of(keys.dtype());
}

// Keys before rotary positions and values of the tokens it holds, [B, n, G, dk].
struct SinkCache final : LayerCache {
  explicit SinkCache(const CacheRoom& room) : policy(room.policy) {}

  std::size_t bytes_per_token() const override { return 2 * numbers_per_token(keys, 2); }
  std::size_t bytes_per_sequence() const override {
    return bytes_per_token() * static_cast<std::size_t>(policy.sinks + policy.recent);
  }
  Tensor kept() const override {
    const auto batch = keys.size(0), heads = keys.size(2);
    std::vector<std::int64_t> all;
    for (std::int64_t i = 0; i < batch * heads; ++i) {
      all.insert(all.end(), positions.begin(), positions.end());
    }
    return from_values(all, {batch, heads, keys.size(1)});
  }

  // Makes room for `fresh` tokens that begin at `position`, then takes them in.
  void take(std::int64_t position, const Tensor& key, const Tensor& value) {
    const auto fresh = key.size(1), length = static_cast<std::int64_t>(positions.size());
    if (length > 0 && length + fresh > policy.sinks + policy.recent) {
      const auto first_kept = std::min(policy.sinks, length);
      const auto kept_behind = std::max<std::int64_t>(policy.recent - fresh, 0);
      drop(first_kept, std::clamp(length - kept_behind, first_kept, length));
    }
    append(keys, key, 1);
    append(values, value, 1);
    for (std::int64_t i = 0; i < fresh; ++i) positions.push_back(position + i);
  }

  // Drops the places [begin, end).
  void drop(std::int64_t begin, std::int64_t end) {
    const auto length = static_cast<std::int64_t>(positions.size());
    for (auto* rows : {&keys, &values}) {
      *rows = cat({slice(*rows, 1, 0, begin), slice(*rows, 1, end, length)}, 1);
    }
    positions.erase(positions.begin() + begin, positions.begin() + end);
  }

  CachePolicy policy;
  Tensor keys, values;
  std::vector<std::int64_t> positions;
};

Tensor attend_to_places(const HeadProjections::Heads& heads, const BoundedAttention& attention,
                        const ForwardPass& pass, LayerRecord& record) {
  auto& cache = attention.scores.cache<SinkCache>(pass);
  cache.take(pass.position, heads.key, heads.value);
  const auto first_new = cache.keys.size(1) - heads.query.size(1);
  const auto placed = [&](const Tensor& x, std::int64_t place) {
    if (attention.options.positions != Positions::rope) return x;
    return cast(rope(x, pass.rope(x.size(3)), place), x.dtype());
  };
  return attention.scores.attend(placed(heads.query, first_new), placed(cache.keys, 0),
                                 cache.values, {.offset = first_new}, pass, record);
}

// Keys after rotary positions and values, [B, G, n, dk], each head's own choice of tokens.
struct HeavyHitterCache final : LayerCache {
  explicit HeavyHitterCache(const CacheRoom& room) : policy(room.policy) {}

  // The worth of a key is one number more.
  std::size_t bytes_per_token() const override {
    if (!keys.defined()) return 0;
    return 2 * numbers_per_token(keys, 1) +
           static_cast<std::size_t>(keys.size(1)) * size_of(keys.dtype());
  }
  std::size_t bytes_per_sequence() const override {
    return bytes_per_token() * static_cast<std::size_t>(policy.heavy + policy.recent + 1);
  }
  Tensor kept() const override {
    std::vector<std::int64_t> all;
    for (const auto& head : positions) all.insert(all.end(), head.begin(), head.end());
    return from_values(all, {keys.size(0), keys.size(1), keys.size(2)});
  }

  // key, value [B, n, G, dk]
  void take(std::int64_t position, const Tensor& key, const Tensor& value) {
    append(keys, permute(key, {0, 2, 1, 3}), 2);
    append(values, permute(value, {0, 2, 1, 3}), 2);
    positions.resize(static_cast<std::size_t>(keys.size(0) * keys.size(1)));
    worth.resize(positions.size());
    for (std::size_t head = 0; head < positions.size(); ++head) {
      for (std::int64_t i = 0; i < key.size(1); ++i) positions[head].push_back(position + i);
      worth[head].resize(positions[head].size(), 0);
    }
  }

  // weights [B, G, n]: what the new queries gave each key.
  void add_worth(const Tensor& weights) {
    const auto added = to_vector(weights);
    std::size_t next = 0;
    for (auto& head : worth) {
      for (auto& number : head) number += added[next++];
    }
  }

  void drop_the_least() {
    const auto length = keys.size(2);
    if (length <= policy.heavy + policy.recent) return;
    std::vector<std::int64_t> rows;
    for (std::size_t head = 0; head < positions.size(); ++head) {
      const auto places = places_to_keep(worth[head], length);
      std::vector<std::int64_t> kept_positions;
      std::vector<double> kept_worth;
      for (const auto place : places) {
        const auto at = static_cast<std::size_t>(place);
        rows.push_back(static_cast<std::int64_t>(head) * length + place);
        kept_positions.push_back(positions[head][at]);
        kept_worth.push_back(worth[head][at]);
      }
      positions[head] = std::move(kept_positions);
      worth[head] = std::move(kept_worth);
    }
    keep_rows(rows);
  }

  CachePolicy policy;
  Tensor keys, values;
  // Per sequence and key head, per key.
  std::vector<std::vector<std::int64_t>> positions;
  std::vector<std::vector<double>> worth;

 private:
  std::vector<std::int64_t> places_to_keep(const std::vector<double>& head,
                                           std::int64_t length) const {
    const auto old = length - policy.recent;
    std::vector<std::int64_t> places(static_cast<std::size_t>(old));
    std::iota(places.begin(), places.end(), 0);
    std::ranges::stable_sort(places, std::greater{}, [&](std::int64_t place) {
      return head[static_cast<std::size_t>(place)];
    });
    places.resize(static_cast<std::size_t>(policy.heavy));
    std::ranges::sort(places);
    for (auto place = old; place < length; ++place) places.push_back(place);
    return places;
  }

  // Of the rows of all sequences and heads, one behind the other.
  void keep_rows(const std::vector<std::int64_t>& rows) {
    const auto sequences = keys.size(0), heads = keys.size(1);
    const auto count = static_cast<std::int64_t>(rows.size());
    const auto index = to_device(from_values(rows, {count}), keys.device());
    for (auto* all : {&keys, &values}) {
      const auto flat = reshape(*all, {-1, all->size(3)});
      *all = reshape(index_select(flat, 0, index),
                     {sequences, heads, count / (sequences * heads), all->size(3)});
    }
  }
};

// -slope (i - position), [B G, r, T, n]: positions differ from head to head.
Tensor distance_bias(const HeavyHitterCache& cache, const HeadOptions& options,
                     std::int64_t head_count, std::int64_t first_query, std::int64_t queries,
                     const Tensor& like) {
  const auto key_heads = cache.keys.size(1), group = head_count / key_heads;
  const auto slopes = alibi_slopes(head_count, options.alibi_bias_max);
  std::vector<double> bias;
  for (std::size_t head = 0; head < cache.positions.size(); ++head) {
    const auto key_head = static_cast<std::int64_t>(head) % key_heads;
    for (std::int64_t i = 0; i < group * queries; ++i) {
      const auto slope = slopes[static_cast<std::size_t>(key_head * group + i / queries)];
      for (const auto position : cache.positions[head]) {
        bias.push_back(-slope * static_cast<double>(first_query + i % queries - position));
      }
    }
  }
  const Shape shape{static_cast<std::int64_t>(cache.positions.size()), group, queries,
                    cache.keys.size(2)};
  return to_device(cast(from_values(bias, shape), like.dtype()), like.device());
}

Tensor attend_to_heavy_hitters(const HeadProjections::Heads& heads,
                               const BoundedAttention& attention, const ForwardPass& pass) {
  const auto& options = attention.options;
  auto& cache = attention.scores.cache<HeavyHitterCache>(pass);
  const auto turned = [&](const Tensor& x) {
    return cast(with_positions(x, options, pass), x.dtype());
  };
  cache.take(pass.position, turned(heads.key), heads.value);
  const auto batch = heads.query.size(0), queries = heads.query.size(1),
             head_count = heads.query.size(2), width = heads.query.size(3);
  const auto key_heads = cache.keys.size(1), group = head_count / key_heads,
             keys = cache.keys.size(2), pairs = batch * key_heads;
  const auto sums = accumulator_of(heads.query.dtype());
  // Each sequence and key head by itself.
  const auto query =
      reshape(permute(turned(heads.query), {0, 2, 1, 3}), {pairs, group * queries, width});
  const auto key = permute(reshape(cache.keys, {pairs, keys, width}), {0, 2, 1});
  auto scores = matmul(cast(query, sums), cast(key, sums)) * attention.scores.scale();
  if (options.soft_cap) scores = tanh(scores * (1 / *options.soft_cap)) * *options.soft_cap;
  scores = reshape(scores, {pairs, group, queries, keys});
  if (options.positions == Positions::alibi) {
    scores = scores + distance_bias(cache, options, head_count, pass.position, queries, scores);
  }
  const auto weights = softmax(mask_scores(scores, {.offset = keys - queries}));
  cache.add_worth(sum(weights, {1, 2}));
  const auto values = cast(reshape(cache.values, {pairs, keys, width}), sums);
  const auto attended = matmul(reshape(weights, {pairs, group * queries, keys}), values);
  cache.drop_the_least();
  const auto by_head = reshape(attended, {batch, head_count, queries, width});
  return cast(permute(by_head, {0, 2, 1, 3}), heads.value.dtype());
}

}  // namespace

Tensor attend_within_budget(const HeadProjections::Heads& heads, const BoundedAttention& attention,
                            const ForwardPass& pass, LayerRecord& record) {
  const bool places = pass.options.cache->policy().kind == CachePolicy::Kind::streaming_llm;
  return places ? attend_to_places(heads, attention, pass, record)
                : attend_to_heavy_hitters(heads, attention, pass);
}

void check_cache_policy(const LlamaConfig& config, const CachePolicy& policy) {
  if (policy.kind == CachePolicy::Kind::full) return;
  const Check check{"cache policy"};
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const auto options = attention_of(config, layer);
    check(options->drops_tokens(),
          "a cache that drops tokens needs causal attention without a pattern: layer {} has {}{}",
          layer, options->type(), options->pattern.empty() ? "" : " with a pattern");
  }
  check(!residual_kind(config)->reruns_layers(),
        "a cache that drops tokens cannot follow weights from layer to layer: source {} runs "
        "layers again",
        config.cross_layer_residual ? config.cross_layer_residual->source : "");
  check(config.score_scale.empty(),
        "a cache that drops tokens cannot follow scores from layer to layer: score_accumulation "
        "has scale {}",
        config.score_scale);
}

}  // namespace lookback
