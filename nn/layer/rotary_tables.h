// The rotary tables of a model, by the width of what is turned.
#pragma once

#include <map>

#include "autograd/ops/rope_tables.h"
#include "nn/layer/config.h"

namespace lookback {

class RotaryTables {
 public:
  RotaryTables(const LlamaConfig& config, DType table_dtype)
      : theta(config.rope_theta),
        scaling(config.rope_scaling),
        max_positions(config.max_position_embeddings),
        dtype(table_dtype) {}

  // Tables for at least so many positions: made once, and again when a longer sequence comes.
  const RopeTables& of(std::int64_t width, std::int64_t positions) const {
    auto& found = tables[width];
    const auto have = found.cos.defined() ? found.cos.size(0) : 0;
    if (have < positions) {
      const auto wanted = std::min(std::max(positions, 2 * have), max_positions);
      found = rope_tables(wanted, width, theta, scaling, dtype);
    }
    return found;
  }

 private:
  double theta;
  RopeScaling scaling;
  std::int64_t max_positions;
  DType dtype;
  mutable std::map<std::int64_t, RopeTables> tables;
};

}  // namespace lookback
