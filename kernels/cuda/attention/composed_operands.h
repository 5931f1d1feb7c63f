// Composed attention (kernels/composed_attention.h) on a GPU goes over bands of query rows: all
// numbers of a band, [B, H, rows, S], lie in the workspace, and one kernel after the other makes
// the next of them. What the kernels are given.
#pragma once

#include <algorithm>

#include "kernels/composed_attention.h"
#include "kernels/cuda/attention/attention_pairs.h"

namespace lookback::kernels {

// The mixing of queries or of keys.
template <class Sum>
struct MixingRows {
  Sum* data;
  std::int64_t sequence_step, position_step, numbers;  // numbers: (2 R + 1) H

  // [2 R + 1, H] of one position. which: 0 for the scores, 1 for the weights.
  LOOKBACK_DEVICE Sum* at(std::int64_t sequence, std::int64_t position, std::int64_t which) const {
    return data + sequence * sequence_step + position * position_step + which * numbers;
  }
};
template <class Sum, class Operand>
MixingRows<Sum> mixing_rows(const Operand& x) {
  return {.data = elements_of<Sum>(x),
          .sequence_step = x.stride(0),
          .position_step = x.stride(1),
          .numbers = x.size(3) * x.size(4)};
}

// Rows [first, first + rows) of every sequence. `step`: rows that the memory of a band has.
struct ComposedBand {
  std::int64_t first, rows, step;
};

template <class T>
struct ComposedOperands {
  using Sum = Accumulator<T>;
  AttentionShape shape;
  std::int64_t rank;
  HeadRows<const T> q, k, v;
  MixingRows<const Sum> query_mixing, key_mixing;
  const Sum* fixed_mixing;  // absent: none
  const Sum* scale;
  FormOperands<Sum> form;
  std::int64_t distinct_heads;  // so many heads see all that any of them sees: 1, or all
  ComposedBand band;

  LOOKBACK_DEVICE std::int64_t heads() const { return shape.key_heads * shape.group; }
  // Whether some head of row i of the band sees the key.
  LOOKBACK_DEVICE bool sees(std::int64_t sequence, std::int64_t i, std::int64_t key) const {
    for (std::int64_t head = 0; head < distinct_heads; ++head) {
      if (shape.sees(sequence, head, band.first + i, key)) return true;
    }
    return false;
  }
  // Where the numbers of row i of the band begin.
  LOOKBACK_DEVICE std::int64_t row_at(std::int64_t sequence, std::int64_t head,
                                      std::int64_t i) const {
    return ((sequence * heads() + head) * band.step + i) * shape.keys;
  }
  // From head to head of one pair.
  LOOKBACK_DEVICE std::int64_t head_step() const { return band.step * shape.keys; }
  std::int64_t pairs() const { return shape.sequences * band.rows * shape.keys; }
  // Of the memory of a band.
  std::int64_t numbers() const { return shape.sequences * shape.heads() * band.step * shape.keys; }
};

template <class T, class Arguments>
ComposedOperands<T> composed_operands(const Arguments& a) {
  using Sum = Accumulator<T>;
  // So many that the bands' memory grows with the keys, not with their square.
  constexpr std::int64_t most_rows = 64, most_numbers = std::int64_t{1} << 22;
  const auto shape = shape_of({a.q}, {a.k}, a.mask);
  const auto& pattern = a.mask.pattern;
  const auto of_row = std::max<std::int64_t>(1, shape.sequences * shape.heads() * shape.keys);
  const auto step = std::clamp<std::int64_t>(most_numbers / of_row, 1, most_rows);
  return {
      .shape = shape,
      .rank = (a.query_mixing.size(3) - 1) / 2,
      .q = rows_of_heads<const T>(a.q, shape.group),
      .k = rows_of_key_heads<const T>(a.k),
      .v = rows_of_key_heads<const T>(a.v),
      .query_mixing = mixing_rows<const Sum>(a.query_mixing),
      .key_mixing = mixing_rows<const Sum>(a.key_mixing),
      .fixed_mixing = a.fixed_mixing.template as<Sum>(),
      .scale = a.scale.template as<Sum>(),
      .form = form_operands<Sum>(a.form),
      .distinct_heads =
          pattern.dilation.present() || pattern.random_blocks.present() ? shape.heads() : 1,
      .band = {
          .first = 0, .rows = 0, .step = std::min(step, std::max<std::int64_t>(1, shape.rows))}};
}

// body(operands) for each band.
template <class T, class Body>
void for_each_band(ComposedOperands<T> operands, const Body& body) {
  for (auto& first = operands.band.first; first < operands.shape.rows;
       first += operands.band.step) {
    operands.band.rows = std::min(operands.band.step, operands.shape.rows - first);
    body(operands);
  }
}

// body(item) for each of `count` items, a thread for each.
template <class Body>
struct EachItem {
  static constexpr int threads = 128;
  Body body;
  std::int64_t count;
  LOOKBACK_DEVICE void operator()() const {
    const auto item = device::block_index() * threads + device::thread_index();
    if (item < count) body(item);
  }
};
template <class Body>
void for_each_item(std::int64_t count, const Body& body) {
  device::launch({.blocks = device::blocks_for(count, EachItem<Body>::threads)},
                 EachItem<Body>{body, count});
}

}  // namespace lookback::kernels
