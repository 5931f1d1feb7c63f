// Where a position of a sequence sees one that comes after it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lookback {

struct Leak {
  std::string module;     // model.layers.2.recompute.0.self_attn
  std::string operation;  // attention
  std::optional<std::int64_t> layer, recomputed_layer;
  std::int64_t target = 0;  // the first position whose logits look ahead
  std::int64_t source = 0;  // the first position after it that they see
};

// The layer and the recomputed layer that a module's path names, into the leak.
void place_in_layers(Leak& leak);

// "attention in model.layers.2.recompute.0.self_attn (position 0 sees position 1)"
std::string describe(const Leak& leak);

}  // namespace lookback
