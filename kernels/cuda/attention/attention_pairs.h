// What a query and a key that it sees contribute to the sums of attention: their score, weight, or
// the gradient of the score, each computed anew by one lane from any head sizes and strides.
#pragma once

#include "kernels/cuda/attention/attention_form.h"

namespace lookback::kernels {

inline constexpr int explicit_pieces = 200;  // kernel arguments have room for no more

template <class T>
LOOKBACK_DEVICE Accumulator<T> dot_of_lane(const T* a, const T* b, std::int64_t width) {
  using Sum = Accumulator<T>;
  Sum sum = 0;
  for (std::int64_t d = 0; d < width; ++d) {
    sum = device::fma(static_cast<Sum>(a[d]), static_cast<Sum>(b[d]), sum);
  }
  return sum;
}

// A query and a key that it sees.
struct Pair {
  std::int64_t sequence, key_head, head_in_group, row, key;
};

// Whether the row sees the key; `range` is what the row's keys_of() says.
LOOKBACK_DEVICE bool is_shown(const AttentionShape& shape, const KeyRange& range, const Pair& at) {
  if (!range.contains(at.key)) return false;
  return shape.visible.plain() ||
         shape.sees(at.sequence, at.key_head * shape.group + at.head_in_group, at.row, at.key);
}

// The score of a pair in the form that it is to have.
template <class Sum>
LOOKBACK_DEVICE Sum formed_score(const FormOperands<Sum>& form, Sum score,
                                 const AttentionShape& shape, const Pair& at) {
  const auto distance = shape.visible.offset + at.row - shape.visible.position_of_key(at.key);
  return form
      .of_head(at.key_head * shape.group + at.head_in_group)(score, static_cast<Sum>(distance))
      .score;
}

// What a pair contributes to sums: one of these. They are asked for visible pairs alone.
template <class T>
struct PairScore {
  using Sum = Accumulator<T>;
  PieceTable<T, explicit_pieces> pieces;
  const Sum* scales;
  FormOperands<Sum> form;
  LOOKBACK_DEVICE Sum operator()(const AttentionShape& shape, const Pair& at) const {
    return formed_score(form, sum_of_pieces(at), shape, at);
  }
  LOOKBACK_DEVICE Sum derivative(const Pair& at) const {
    return form.soft_cap > 0 ? form.derivative(sum_of_pieces(at)) : Sum{1};
  }
  LOOKBACK_DEVICE Sum sum_of_pieces(const Pair& at) const {
    Sum score = 0;
    for (int p = 0; p < pieces.count; ++p) {
      const auto& q = pieces.piece[p].q;
      const auto& k = pieces.piece[p].k;
      const Sum dot = dot_of_lane(q.at(at.sequence, at.row, at.key_head, at.head_in_group),
                                  k.at(at.sequence, at.key, at.key_head, 0), q.width);
      score = device::fma(scales[p], dot, score);
    }
    return score;
  }
};

template <class T>
struct PairWeight {
  using Sum = Accumulator<T>;
  PairScore<T> score;
  const Sum* log_sum_exp;  // [B, H, T]
  LOOKBACK_DEVICE Sum operator()(const AttentionShape& shape, const Pair& at) const {
    const auto row = shape.row_number(at.sequence, at.key_head, at.head_in_group, at.row);
    return device::exp(score(shape, at) - log_sum_exp[row]);
  }
};

template <class T>
struct PairScoreGradient {
  using Sum = Accumulator<T>;
  PairWeight<T> weight;
  HeadRows<const T> dy, v;
  const Sum* row_dots;  // [B, H, T]: sum_d dy y
  LOOKBACK_DEVICE Sum operator()(const AttentionShape& shape, const Pair& at) const {
    const Sum dweight = dot_of_lane(dy.at(at.sequence, at.row, at.key_head, at.head_in_group),
                                    v.at(at.sequence, at.key, at.key_head, 0), v.width);
    const auto row = shape.row_number(at.sequence, at.key_head, at.head_in_group, at.row);
    return weight(shape, at) * (dweight - row_dots[row]) * weight.score.derivative(at);
  }
};

template <class T>
struct KeptWeight {
  using Sum = Accumulator<T>;
  HeadRows<const T> weights;  // rows of S
  LOOKBACK_DEVICE Sum operator()(const AttentionShape&, const Pair& at) const {
    return static_cast<Sum>(weights.at(at.sequence, at.row, at.key_head, at.head_in_group)[at.key]);
  }
};

template <class T>
struct KeptScoreGradient {
  using Sum = Accumulator<T>;
  KeptWeight<T> weight, dweight;
  PairScore<T> score;
  const Sum* row_dots;  // [B, H, T]: sum_s weights dweights
  LOOKBACK_DEVICE Sum operator()(const AttentionShape& shape, const Pair& at) const {
    const auto row = shape.row_number(at.sequence, at.key_head, at.head_in_group, at.row);
    return weight(shape, at) * (dweight(shape, at) - row_dots[row]) * score.derivative(at);
  }
};

}  // namespace lookback::kernels
