// The angles of rotary position embedding.
#pragma once

#include <cstdint>

#include "runtime/tensor.h"

namespace lookback {

// How rope's frequencies are changed for longer contexts (config.json: rope_scaling).
struct RopeScaling {
  enum class Kind { none, linear, llama3, yarn };
  Kind kind = Kind::none;
  double factor = 1;
  // llama3 only.
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  // llama3 and yarn: the length that the frequencies were made for.
  double original_max_position_embeddings = 8192;
  // yarn only. Of the last three, 0 stands for one that is not given.
  double beta_fast = 32;
  double beta_slow = 1;
  double mscale = 0;
  double mscale_all_dim = 0;
  double attention_factor = 0;
  friend bool operator==(const RopeScaling&, const RopeScaling&) = default;
};

// 0.1 mscale ln(factor) + 1, by which YaRN enlarges queries and keys; 1 for factor <= 1.
double yarn_magnitude(double factor, double mscale);

struct RopeTables {
  Tensor cos, sin;  // [positions, head_dim / 2]
};

// cos and sin of position * frequency[i], frequency[i] = theta^(-2 i / head_dim), for positions
// 0 .. positions - 1; computed in f64, then cast to `dtype`.
//   linear: every frequency divided by `factor`;
//   llama3: waves longer than original_max_position_embeddings / low_freq_factor are slowed by
//     `factor`, those shorter than original_max_position_embeddings / high_freq_factor are kept,
//     between them the two are blended, linearly in the number of turns;
//   yarn (Peng et al. 2023): pairs that turn more than beta_fast times in
//     original_max_position_embeddings are kept, those that turn less than beta_slow times are
//     slowed by `factor`, between them the two are blended, linearly in i; cos and sin are times
//     attention_factor, or yarn_magnitude(factor, mscale) / yarn_magnitude(factor, mscale_all_dim)
//     where both are given, or yarn_magnitude(factor, 1).
// Throws for an odd head_dim, for factors that are not positive, and for theta = 1 under yarn.
RopeTables rope_tables(std::int64_t positions, std::int64_t head_dim, double theta,
                       const RopeScaling& scaling = {}, DType dtype = DType::f32);

}  // namespace lookback
