// Keys and values of the positions seen so far, for generation.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "nn/layer/config.h"
#include "runtime/tensor.h"

namespace lookback {

class KeyValueCache {
 public:
  // Room for `capacity` positions of `batch` sequences in every layer.
  KeyValueCache(const LlamaConfig& config, std::int64_t batch, std::int64_t capacity, DType dtype);

  struct KeysAndValues {
    Tensor keys, values;  // [B, positions so far, G, dk], views into the cache
  };
  // Appends a layer's new keys (after rope) and values, [B, T, G, dk], behind `position`, and gives
  // back all of them. Throws when the capacity does not suffice.
  KeysAndValues append(std::int64_t layer, std::int64_t position, const Tensor& keys,
                       const Tensor& values);

  // The same for the values of layer `earlier` on layer `layer`'s input, of models that run earlier
  // layers again. They get their room when they are first asked for.
  Tensor append_values(std::int64_t layer, std::int64_t earlier, std::int64_t position,
                       const Tensor& values);
  // A weight that is derived from others and stays for the whole generation: made once.
  Tensor value_weight(std::size_t layer, const std::function<Tensor()>& make);

  // The positions that every layer has seen.
  std::int64_t length() const { return positions; }
  // Called once per forward pass, after all layers.
  void advance(std::int64_t new_positions) { positions += new_positions; }
  // Over all layers, for one position of one sequence.
  std::size_t bytes_per_token() const;

 private:
  std::vector<Tensor> all_keys, all_values;  // per layer [B, capacity, G, dk]
  std::map<std::pair<std::int64_t, std::int64_t>, Tensor> replayed_values;  // by layer and earlier
  std::vector<Tensor> value_weights;                                        // per layer
  std::int64_t positions = 0;
};

}  // namespace lookback
