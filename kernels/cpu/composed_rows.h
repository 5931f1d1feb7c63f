// What composed attention (kernels/composed_attention.h) does to the numbers of one query row and a
// run of keys, all heads of a pair at once, vectorized over the keys (composed_rows.cpp). The
// numbers of head h begin at x + h * head_step.
#pragma once

#include <cstdint>

namespace lookback::kernels {

// The mixing of one query row and of a run of keys. Row r of the mixing of key j, head h, is
// key[(r * heads + h) * key_step + j].
template <class T>
struct PairMixing {
  std::int64_t heads = 0, rank = 0;
  const T* query = nullptr;  // [2 rank + 1, heads]
  const T* key = nullptr;    // [2 rank + 1, heads, key_step]
  std::int64_t key_step = 0;
  const T* fixed = nullptr;  // [heads, heads]; null: zeros

  std::int64_t rows() const { return 2 * rank + 1; }
};

// Gradients of the same layout, added to.
template <class T>
struct PairMixingGradient {
  T* query = nullptr;
  T* key = nullptr;
  T* fixed = nullptr;  // null: not wanted
};

// Numbers of scratch that the functions below take.
constexpr std::int64_t compose_scratch(std::int64_t heads, std::int64_t rank) {
  constexpr std::int64_t most_lanes = 16;
  return most_lanes * heads * (1 + 2 * rank + 1 + heads);
}

// x becomes what compose() makes of it.
void compose(const PairMixing<float>& mixing, float* x, std::int64_t head_step, std::int64_t count,
             float* scratch);
void compose(const PairMixing<double>& mixing, double* x, std::int64_t head_step,
             std::int64_t count, double* scratch);

// `gradient`, of the composed numbers, becomes that of x.
void compose_gradient(const PairMixing<float>& mixing, const float* x, float* gradient,
                      std::int64_t head_step, std::int64_t count,
                      const PairMixingGradient<float>& to, float* scratch);
void compose_gradient(const PairMixing<double>& mixing, const double* x, double* gradient,
                      std::int64_t head_step, std::int64_t count,
                      const PairMixingGradient<double>& to, double* scratch);

}  // namespace lookback::kernels
