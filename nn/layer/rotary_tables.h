// The rotary tables of a model, by the width of what is turned.
#pragma once

#include <map>

#include "autograd/ops/rope_tables.h"
#include "nn/layer/config.h"

namespace lookback {

class RotaryTables {
 public:
  RotaryTables(const LlamaConfig& config, DType dtype)
      : theta_(config.rope_theta),
        scaling_(config.rope_scaling),
        max_positions_(config.max_position_embeddings),
        dtype_(dtype) {}

  // Tables for at least so many positions: made once, and again when a longer sequence comes.
  const RopeTables& of(std::int64_t width, std::int64_t positions) const {
    auto& found = tables_[width];
    const auto have = found.cos.defined() ? found.cos.size(0) : 0;
    if (have < positions) {
      const auto wanted = std::min(std::max(positions, 2 * have), max_positions_);
      found = rope_tables(wanted, width, theta_, scaling_, dtype_);
    }
    return found;
  }

 private:
  double theta_;
  RopeScaling scaling_;
  std::int64_t max_positions_;
  DType dtype_;
  mutable std::map<std::int64_t, RopeTables> tables_;
};

}  // namespace lookback
