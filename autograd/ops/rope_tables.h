// The angles of rotary position embedding.
#pragma once

#include <cstdint>

#include "runtime/tensor.h"

namespace lookback {

// How rope's frequencies are changed for longer contexts (config.json: rope_scaling).
struct RopeScaling {
  enum class Kind { none, linear, llama3 };
  Kind kind = Kind::none;
  double factor = 1;
  // llama3 only.
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_max_position_embeddings = 8192;
  friend bool operator==(const RopeScaling&, const RopeScaling&) = default;
};

struct RopeTables {
  Tensor cos, sin;  // [positions, head_dim / 2]
};

// cos and sin of position * frequency[i], frequency[i] = theta^(-2 i / head_dim), for positions
// 0 .. positions - 1; computed in f64, then cast to `dtype`.
//   linear: every frequency divided by `factor`;
//   llama3: waves longer than original_max_position_embeddings / low_freq_factor are slowed by
//     `factor`, those shorter than original_max_position_embeddings / high_freq_factor are kept,
//     between them the two are blended, linearly in the number of turns.
// Throws for an odd head_dim and for factors that are not positive.
RopeTables rope_tables(std::int64_t positions, std::int64_t head_dim, double theta,
                       const RopeScaling& scaling = {}, DType dtype = DType::f32);

}  // namespace lookback
