// What the layers keep of the positions seen so far, for generation.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/layer/cache_reach.h"

namespace lookback {

// Which tokens a cache keeps of those it has seen.
//   full            all
//   streaming_llm   the first `sinks` and the last `recent` (Xiao et al. 2023); positions count
//                   inside the cache
//   h2o             the last `recent`, and of those before the `heavy` which were attended to most,
//                   for each sequence and key head (Zhang et al. 2023)
struct CachePolicy {
  enum class Kind { full, streaming_llm, h2o };
  Kind kind = Kind::full;
  std::int64_t sinks = 4, recent = 512, heavy = 512;
};

inline constexpr std::array cache_policies{
    CachePolicy::Kind::full, CachePolicy::Kind::streaming_llm, CachePolicy::Kind::h2o};
std::string_view name_of(CachePolicy::Kind kind);

// Room for `capacity` positions of `batch` sequences.
struct CacheRoom {
  std::int64_t batch = 0, capacity = 0;
  DType dtype = DType::f32;
  CachePolicy policy = {};
  CacheReach reach = {};  // of the layer whose cache it is
};

// A row for each position that the room's reach keeps. It takes its memory when it gets its first
// rows: that of all that it will hold, and more within a pass alone.
class CachedRows {
 public:
  explicit CachedRows(const CacheRoom& room) : room_(room) {}
  // rows [B, T, ..] of the positions from `position` on, which is behind all so far -> those before
  // it that they can see (CacheReach::before), in the order of their positions, then these,
  // [B, S, ..], a view. Throws Error where the capacity does not suffice.
  Tensor append(std::int64_t position, const Tensor& rows);
  // Of one sequence.
  std::size_t bytes_per_token() const;
  // What all rows that it may hold take; 0 where it holds one for every position.
  std::size_t bytes_per_sequence() const;

 private:
  std::int64_t limit() const;
  // Memory for `count` rows, or for as many as are ever held, that begins with those of `kept`.
  Tensor moved(const HeldPositions& kept, std::int64_t count, const Tensor& like) const;

  CacheRoom room_;
  Tensor rows_;         // [B, n, ..], the first of them:
  HeldPositions held_;  // where they stand
};

// Of a state [B, ..] for one sequence; 0 where it is undefined.
std::size_t bytes_of_state(const Tensor& state);

// What a layer's attention keeps, in a layout of its own.
class LayerCache {
 public:
  virtual ~LayerCache() = default;
  // For one position of one sequence.
  virtual std::size_t bytes_per_token() const = 0;
  // What one sequence takes at most, of a cache that stops growing with it (a ring, a state, a
  // budget); else 0.
  virtual std::size_t bytes_per_sequence() const { return 0; }
  // Under a policy that drops tokens: the positions that it holds, ascending, [B, G, n] i64.
  virtual Tensor kept() const { return {}; }
};

class KeyValueCache {
 public:
  KeyValueCache(std::int64_t batch, std::int64_t capacity, DType dtype,
                const CachePolicy& policy = {})
      : room_{.batch = batch, .capacity = capacity, .dtype = dtype, .policy = policy} {}

  const CachePolicy& policy() const { return room_.policy; }

  // The cache of a layer's attention, Cache(room) where it is asked for first.
  template <class Cache>
  Cache& of_layer(std::int64_t layer, const CacheReach& reach = {}) {
    auto& cache = layers_[layer];
    if (cache == nullptr) {
      reaches_[layer] = reach;
      cache = std::make_unique<Cache>(room_of(layer));
    }
    return static_cast<Cache&>(*cache);
  }
  // The values of layer `earlier` on the input of `layer`, of models that run earlier layers again:
  // of the positions that the cache of `earlier` keeps.
  CachedRows& values_again(std::int64_t layer, std::int64_t earlier) {
    return replayed_values_.try_emplace({layer, earlier}, room_of(earlier)).first->second;
  }
  // The same where its replay sums them up (RunningReplay).
  Tensor& state_again(std::int64_t layer, std::int64_t earlier) {
    return replayed_states_[{layer, earlier}];
  }
  // A weight that is derived from others and stays for the whole generation: made once.
  Tensor value_weight(std::size_t layer, const std::function<Tensor()>& make);

  // The positions that every layer has seen.
  std::int64_t length() const { return positions_; }
  // Called once per forward pass, after all layers.
  void advance(std::int64_t new_positions) { positions_ += new_positions; }
  // Over all layers, for one position of one sequence, and for one sequence.
  std::size_t bytes_per_token() const;
  std::size_t bytes_per_sequence() const;
  // Of a layer that has seen something (LayerCache::kept).
  Tensor kept(std::int64_t layer) const { return layers_.at(layer)->kept(); }

 private:
  CacheRoom room_of(std::int64_t layer) {
    auto room = room_;
    room.reach = reaches_[layer];
    return room;
  }

  CacheRoom room_;
  std::map<std::int64_t, CacheReach> reaches_;  // of the layers that have one
  std::map<std::int64_t, std::unique_ptr<LayerCache>> layers_;
  std::map<std::pair<std::int64_t, std::int64_t>, CachedRows> replayed_values_;  // layer, earlier
  std::map<std::pair<std::int64_t, std::int64_t>, Tensor> replayed_states_;      // the same
  std::vector<Tensor> value_weights_;                                            // per layer
  std::int64_t positions_ = 0;
};

}  // namespace lookback
