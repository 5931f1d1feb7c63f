// What the forward and backward kernels of patterned attention share: the rows of a block and of
// its keys, gathered into one place, and the scores of a tile of them.
#pragma once

#include <array>
#include <vector>

#include "kernels/cpu/attention_pattern.h"

namespace lookback::kernels {

// Gathers rows of numbers, converted to the accumulator's dtype.
template <class T, class At>
RowSpan<Accumulator<T>> gather_rows(std::int64_t count, std::int64_t width, const At& row_at,
                                    Scratch<Accumulator<T>>& scratch) {
  auto* to = scratch.take(count * width);
  for (std::int64_t i = 0; i < count; ++i) {
    const T* from = row_at(i);
    for (std::int64_t d = 0; d < width; ++d) {
      to[i * width + d] = static_cast<Accumulator<T>>(from[d]);
    }
  }
  return {to, width};
}
// The rows of a [B, T, H, D] operand that make up a block.
template <class T>
RowSpan<Accumulator<T>> gather_block(const HeadRows<const T>& x, const PatternBlock& block,
                                     Scratch<Accumulator<T>>& scratch) {
  return gather_rows<T>(
      block.count(), x.width,
      [&](std::int64_t i) { return x.at_head(block.sequence, block.row_of(i), block.head_of(i)); },
      scratch);
}

// Numbers [B, H, T] of the rows of a block.
template <class Sum>
std::array<Sum, query_rows> row_numbers(const Sum* numbers, const AttentionShape& shape,
                                        const PatternBlock& block) {
  std::array<Sum, query_rows> result;
  for (std::int64_t i = 0; i < block.count(); ++i) {
    const auto row = (block.sequence * shape.heads() + block.head_of(i)) * shape.rows;
    result[static_cast<std::size_t>(i)] = numbers[row + block.row_of(i)];
  }
  return result;
}

// Columns [first, first + columns) of a block.
struct PatternTile {
  std::int64_t first, columns;
  std::array<KeyRange, query_rows> visible;
  const std::uint8_t* shown;

  PatternTile(const PackedKeys& packed, std::int64_t first_column)
      : first(first_column), columns(std::min(key_columns, packed.columns() - first_column)) {
    shown = packed.tile(first, columns, visible.data());
    shown_stride_ = packed.columns();
  }
  template <class Sum>
  ScoreTile<Sum> of(Sum* numbers, std::int64_t rows) const {
    return {numbers, rows, columns, tile_stride, visible.data(), shown, shown_stride_};
  }

 private:
  std::int64_t shown_stride_;
};

// From sums of pieces to scores: the form, and what the mask hides. `cap_derivative` as in
// attention_form.h.
template <class Sum>
void finish_scores(const ScoreForm& form, const AttentionShape& shape, const PatternBlock& block,
                   const PackedKeys& packed, const PatternTile& at, const ScoreTile<Sum>& tile,
                   Sum* cap_derivative = nullptr) {
  if (form.soft_cap > 0) cap_scores(tile, static_cast<Sum>(form.soft_cap), cap_derivative);
  if (form.slopes.present()) {
    // Counted from the first row: small numbers are exact in f32.
    std::array<Sum, query_rows> slope, row_position;
    std::array<Sum, key_columns> column_position;
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      const auto place = static_cast<std::size_t>(i);
      slope[place] = form.slopes.as<Sum>()[block.head_of(i)];
      row_position[place] = static_cast<Sum>(block.row_of(i) - block.rows[0]);
    }
    const auto zero = shape.visible.offset + block.rows[0];
    for (std::int64_t s = 0; s < tile.columns; ++s) {
      const auto key = packed.keys[static_cast<std::size_t>(at.first + s)];
      column_position[static_cast<std::size_t>(s)] =
          static_cast<Sum>(shape.visible.position_of_key(key) - zero);
    }
    bias_by_distance(tile, slope.data(), row_position.data(), column_position.data());
  }
  hide_scores(tile);
}

}  // namespace lookback::kernels
