// Inputs of composed attention, for its tests.
#pragma once

#include <random>

#include "autograd/ops.h"
#include "runtime/transfer.h"
#include "tests/autograd/op_case.h"

namespace lookback::testing {

struct ComposedSizes {
  std::int64_t batch, rows, keys, heads, key_heads, width, value_width, rank;

  // q, k, the mixing of queries and of keys
  Shapes scores() const {
    return {{batch, rows, heads, width},
            {batch, keys, key_heads, width},
            {batch, rows, 2, 2 * rank + 1, heads},
            {batch, keys, 2, 2 * rank + 1, heads}};
  }
  Shape fixed() const { return {2, heads, heads}; }
  Shape values() const { return {batch, keys, key_heads, value_width}; }
};

struct ComposedScores {
  AttentionPieces piece;
  HeadMixing mixing;
  Tensor weights(const CausalMask& mask) const {
    return composed_attention_weights(piece, mixing, mask);
  }
  Tensor apply(const Tensor& v, const CausalMask& mask) const {
    return composed_attention(piece, mixing, v, mask);
  }
};

inline constexpr double composed_scale = 0.7;

// Of the accumulator's dtype, whatever that of q is.
inline Tensor numbers_like(const Tensor& q, const std::vector<double>& values) {
  const auto x = empty({static_cast<std::int64_t>(values.size())}, accumulator_of(q.dtype()));
  visit_floating(x.dtype(), [&]<class T>(TypeTag<T>) {
    for (std::size_t i = 0; i < values.size(); ++i) x.data<T>()[i] = static_cast<T>(values[i]);
  });
  return to_device(x, q.device());
}
inline Tensor mixing_of(const Tensor& x) { return cast(x, accumulator_of(x.dtype())); }

// Of q, k, the mixing of queries and of keys.
inline ComposedScores plain_scores(const Inputs& in) {
  return {{.q = {in[0]}, .k = {in[1]}, .scales = numbers_like(in[0], {composed_scale})},
          {mixing_of(in[2]), mixing_of(in[3])}};
}
// The same with the fixed mixing as input 4, a soft cap and slopes.
inline ComposedScores scores_with_all(const Inputs& in) {
  auto scores = plain_scores(in);
  scores.mixing.fixed = mixing_of(in[4]);
  scores.piece.soft_cap = 1.5;
  std::vector<double> slopes;
  for (std::int64_t h = 0; h < in[0].size(2); ++h)
    slopes.push_back(1.0 / static_cast<double>(2 << h));
  scores.piece.slopes = numbers_like(in[0], slopes);
  return scores;
}

inline bool shows(const CausalMask& mask, std::int64_t b, std::int64_t t, std::int64_t s) {
  const auto position = mask.offset + t;
  if (s > position || (mask.window > 0 && s <= position - mask.window)) return false;
  const auto& start = mask.document_start;
  return !start.defined() || s >= start.data<std::int64_t>()[b * start.size(1) + t];
}

}  // namespace lookback::testing
