// What composed attention on a GPU does to the numbers of a band, pair by pair and row by row.
// Pairs that no head sees are 0 in every one of them.
#pragma once

#include "kernels/cuda/attention/composed_operands.h"
#include "kernels/cuda/device/row_reduce.h"

namespace lookback::kernels {

// A head of a pair: item of [B, H, rows, S].
template <class T>
LOOKBACK_DEVICE Pair pair_of(const ComposedOperands<T>& x, std::int64_t item, std::int64_t* i) {
  const auto row = item / x.shape.keys, head = row / x.band.rows;
  *i = row % x.band.rows;
  return {.sequence = head / x.heads(),
          .key_head = head % x.heads() / x.shape.group,
          .head_in_group = head % x.heads() % x.shape.group,
          .row = x.band.first + *i,
          .key = item % x.shape.keys};
}

enum class PairNumber { score, cap_gradient, weight_gradient };

// score: y = S. cap_gradient: y *= the derivative of the form. weight_gradient: y = dy . v, or,
// where there are no values, the given dweights.
template <class T, PairNumber number>
struct PairNumbers {
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  Sum* y;
  HeadRows<const T> dy;
  const T* dweights;

  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    std::int64_t i = 0;
    const auto at = pair_of(x, item, &i);
    const auto head = at.key_head * x.shape.group + at.head_in_group;
    Sum& to = y[x.row_at(at.sequence, head, i) + at.key];
    if (!x.sees(at.sequence, i, at.key)) {
      to = 0;
    } else if constexpr (number == PairNumber::weight_gradient) {
      to = dweights == nullptr
               ? dot_of_lane(dy.at(at.sequence, at.row, at.key_head, at.head_in_group),
                             x.v.at(at.sequence, at.key, at.key_head, 0), x.v.width)
               : static_cast<Sum>(
                     dweights[((at.sequence * x.heads() + head) * x.shape.rows + at.row) *
                                  x.shape.keys +
                              at.key]);
    } else {
      const Sum score =
          *x.scale * dot_of_lane(x.q.at(at.sequence, at.row, at.key_head, at.head_in_group),
                                 x.k.at(at.sequence, at.key, at.key_head, 0), x.q.width);
      to = number == PairNumber::score ? formed_score(x.form, score, x.shape, at)
                                       : to * x.form.derivative(score);
    }
  }
};

// The two sides of a pair, and where its numbers lie: head h's is base + h * head_step.
template <class T>
struct ComposedPair {
  using Sum = Accumulator<T>;
  std::int64_t sequence, i, key, base;
  const Sum* side[2];  // of the query, of the key: [2 R + 1, H]
  bool seen;
};
// Item of [B, rows, S].
template <class T>
LOOKBACK_DEVICE ComposedPair<T> composed_pair(const ComposedOperands<T>& x, std::int64_t item,
                                              std::int64_t which) {
  const auto key = item % x.shape.keys, row = item / x.shape.keys;
  const auto i = row % x.band.rows, sequence = row / x.band.rows;
  return {.sequence = sequence,
          .i = i,
          .key = key,
          .base = x.row_at(sequence, 0, i) + key,
          .side = {x.query_mixing.at(sequence, x.band.first + i, which),
                   x.key_mixing.at(sequence, key, which)},
          .seen = x.sees(sequence, i, key)};
}

// sum_h values[h * step] weights[h]
template <class Sum>
LOOKBACK_DEVICE Sum sum_over_heads(const Sum* values, std::int64_t step, const Sum* weights,
                                   std::int64_t heads) {
  Sum sum = 0;
  for (std::int64_t h = 0; h < heads; ++h) sum = device::fma(values[h * step], weights[h], sum);
  return sum;
}

// to = compose(which, from)
template <class T>
struct ComposePairs {
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  std::int64_t which;
  const Sum* from;
  Sum* to;

  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    const auto pair = composed_pair(x, item, which);
    const auto heads = x.heads(), step = x.head_step();
    const Sum* values = from + pair.base;
    Sum* result = to + pair.base;
    for (std::int64_t n = 0; n < heads; ++n) {
      Sum factor = 1;
      for (const Sum* side : pair.side) factor += side[2 * x.rank * heads + n];
      result[n * step] = pair.seen ? values[n * step] * factor : Sum{0};
    }
    if (!pair.seen) return;
    if (x.fixed_mixing != nullptr) {
      for (std::int64_t h = 0; h < heads; ++h) {
        const Sum* fixed = x.fixed_mixing + (which * heads + h) * heads;
        for (std::int64_t n = 0; n < heads; ++n) result[n * step] += values[h * step] * fixed[n];
      }
    }
    for (const Sum* side : pair.side) {
      for (std::int64_t r = 0; r < x.rank; ++r) {
        const Sum sum = sum_over_heads(values, step, side + r * heads, heads);
        const Sum* out = side + (x.rank + r) * heads;
        for (std::int64_t n = 0; n < heads; ++n) result[n * step] += sum * out[n];
      }
    }
  }
};

// The sums over heads that gradients of the mixing are made of: per side and rank, of the composed
// numbers (in) and of the gradient (out). [B, 2, R, 2, rows, S]
template <class T>
struct PairSums {
  Accumulator<T>* data;
  LOOKBACK_DEVICE std::int64_t at(const ComposedOperands<T>& x, std::int64_t sequence, int side,
                                  std::int64_t r, int out, std::int64_t i, std::int64_t key) const {
    return ((((sequence * 2 + side) * x.rank + r) * 2 + out) * x.band.step + i) * x.shape.keys +
           key;
  }
};

// to = the gradient of what was composed, from that of the result; and the sums.
template <class T>
struct ComposePairsGradient {
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  std::int64_t which;
  const Sum* composed;
  const Sum* gradient;
  Sum* to;
  PairSums<T> sums;

  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    const auto pair = composed_pair(x, item, which);
    const auto heads = x.heads(), step = x.head_step();
    const Sum* values = composed + pair.base;
    const Sum* given = gradient + pair.base;
    Sum* result = to + pair.base;
    for (std::int64_t h = 0; h < heads; ++h) {
      Sum sum = 0;
      if (pair.seen) {
        Sum factor = 1;
        for (const Sum* side : pair.side) factor += side[2 * x.rank * heads + h];
        sum = given[h * step] * factor;
        if (x.fixed_mixing != nullptr) {
          sum += sum_over_heads(given, step, x.fixed_mixing + (which * heads + h) * heads, heads);
        }
      }
      result[h * step] = sum;
    }
    for (int side = 0; side < 2; ++side) {
      for (std::int64_t r = 0; r < x.rank; ++r) {
        const Sum* in = pair.side[side] + r * heads;
        const Sum* out = in + x.rank * heads;
        const Sum of_values = pair.seen ? sum_over_heads(values, step, in, heads) : Sum{0};
        const Sum of_gradient = pair.seen ? sum_over_heads(given, step, out, heads) : Sum{0};
        sums.data[sums.at(x, pair.sequence, side, r, 0, pair.i, pair.key)] = of_values;
        sums.data[sums.at(x, pair.sequence, side, r, 1, pair.i, pair.key)] = of_gradient;
        if (!pair.seen) continue;
        for (std::int64_t h = 0; h < heads; ++h) result[h * step] += of_gradient * in[h];
      }
    }
  }
};

// A warp for each row of [B, H, rows].
template <class T>
struct ComposedRow {
  std::int64_t base, sequence, head, row;
  KeyRange seen;
  int lane;
};
template <class T>
LOOKBACK_DEVICE ComposedRow<T> composed_row(const ComposedOperands<T>& x, std::int64_t number) {
  const auto head = number / x.band.rows, i = number % x.band.rows;
  const auto sequence = head / x.heads();
  return {.base = x.row_at(sequence, head % x.heads(), i),
          .sequence = sequence,
          .head = head % x.heads(),
          .row = x.band.first + i,
          .seen = x.shape.keys_of(sequence, x.band.first + i),
          .lane = device::thread_index() % device::warp_threads};
}

// y = softmax(y) over the keys that the head sees; 0 for the others of the row's range.
template <class T>
struct SoftmaxOfRows {
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  Sum* y;

  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    const auto row = composed_row(x, item / device::warp_threads);
    Sum* numbers = y + row.base;
    Sum most = -std::numeric_limits<Sum>::infinity();
    for (auto s = row.seen.first + row.lane; s < row.seen.last; s += device::warp_threads) {
      if (!x.shape.visible.plain() && !x.shape.sees(row.sequence, row.head, row.row, s)) {
        numbers[s] = -std::numeric_limits<Sum>::infinity();
      }
      most = device::Larger{}(most, numbers[s]);
    }
    most = device::reduce_warp(most, device::Larger{});
    Sum total = 0;
    for (auto s = row.seen.first + row.lane; s < row.seen.last; s += device::warp_threads) {
      numbers[s] = device::exp(numbers[s] - most);
      total += numbers[s];
    }
    total = device::reduce_warp(total, device::Plus{});
    for (auto s = row.seen.first + row.lane; s < row.seen.last; s += device::warp_threads) {
      numbers[s] /= total;
    }
  }
};

// gradient = weights (gradient - sum weights gradient)
template <class T>
struct SoftmaxGradientOfRows {
  using Sum = Accumulator<T>;
  ComposedOperands<T> x;
  const Sum* weights;
  Sum* gradient;

  LOOKBACK_DEVICE void operator()(std::int64_t item) const {
    const auto row = composed_row(x, item / device::warp_threads);
    const Sum* weight = weights + row.base;
    Sum* numbers = gradient + row.base;
    Sum center = 0;
    for (auto s = row.seen.first + row.lane; s < row.seen.last; s += device::warp_threads) {
      center = device::fma(weight[s], numbers[s], center);
    }
    center = device::reduce_warp(center, device::Plus{});
    for (auto s = row.seen.first + row.lane; s < row.seen.last; s += device::warp_threads) {
      numbers[s] = weight[s] * (numbers[s] - center);
    }
  }
};

// S of a band, composed to the scores, and A of it: in two buffers.
template <class T>
void make_weights(const ComposedOperands<T>& x, Accumulator<T>* scores, Accumulator<T>* weights) {
  const auto rows = x.shape.sequences * x.shape.heads() * x.band.rows;
  for_each_item(rows * x.shape.keys, PairNumbers<T, PairNumber::score>{x, scores, {}, nullptr});
  for_each_item(x.pairs(), ComposePairs<T>{x, 0, scores, weights});
  for_each_item(rows * device::warp_threads, SoftmaxOfRows<T>{x, weights});
}

}  // namespace lookback::kernels
