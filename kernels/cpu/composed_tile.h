// A tile of query rows with all heads and all keys that the rows see, which the kernels of composed
// attention (kernels/composed_attention.h) go through: its numbers are [heads, rows, columns], a
// column for each key that some head of some row sees, in their order.
//
// Where the mask is plain the columns are keys one after the other. Else the keys are packed, and
// the rows of a dilated window are those that share their keys: the work is in proportion to the
// keys seen. How many rows a tile has follows from the sizes alone.
#pragma once

#include <array>
#include <vector>

#include "kernels/attention_shape.h"
#include "kernels/cpu/attention_tiles.h"

namespace lookback::kernels {

struct ComposedTile {
  static constexpr std::int64_t most_rows = 32;

  std::int64_t sequence = 0;
  std::int64_t row = 0, rows = 0, step = 1;  // rows row, row + step, ..
  std::int64_t first = 0, columns = 0;       // the key of the first column; how many there are
  std::int64_t stride = 0, head_step = 0;    // from row to row, from head to head
  std::array<KeyRange, most_rows> visible;   // of each row, in columns

  // Of packed keys: the key of each column, and 1 where a row sees a column: by any of its heads
  // [rows, columns], and by each of them [heads, rows, columns]. Empty where the mask is plain; the
  // last also where all heads see the same.
  std::vector<std::int64_t> keys;
  std::vector<std::uint8_t> shown, shown_to_heads;

  bool packed() const { return !keys.empty(); }
  std::int64_t row_of(std::int64_t i) const { return row + i * step; }
  std::int64_t key_of(std::int64_t column) const {
    return packed() ? keys[static_cast<std::size_t>(column)] : first + column;
  }

  // What row i sees of columns [begin, begin + key_columns).
  KeyRange seen(std::int64_t i, std::int64_t begin) const {
    const auto& all = visible[static_cast<std::size_t>(i)];
    const auto end = std::min(begin + key_columns, columns);
    const auto from = std::clamp(all.first, begin, end);
    return {from, std::max(from, std::clamp(all.last, begin, end))};
  }
  // The same of all rows, counted from `begin`.
  std::array<KeyRange, most_rows> visible_in(std::int64_t begin) const {
    std::array<KeyRange, most_rows> ranges;
    for (std::int64_t i = 0; i < rows; ++i) {
      const auto range = seen(i, begin);
      ranges[static_cast<std::size_t>(i)] = {range.first - begin, range.last - begin};
    }
    return ranges;
  }

  // The numbers of a head, of which rows see what some head sees.
  template <class Sum>
  ScoreTile<Sum> of_head(Sum* x, std::int64_t head) const {
    return {x + head * head_step, rows, columns, stride, visible.data(), marks(shown), columns};
  }
  // The same of `count` columns from `begin` on; `ranges`: visible_in(begin).
  template <class Sum>
  ScoreTile<Sum> of_chunk(Sum* x, std::int64_t head, std::int64_t begin, std::int64_t count,
                          const std::array<KeyRange, most_rows>& ranges) const {
    const auto* from = marks(shown);
    return {x + head * head_step + begin,
            rows,
            count,
            stride,
            ranges.data(),
            from == nullptr ? nullptr : from + begin,
            columns};
  }
  // The numbers of a head, of which rows see what that head sees.
  template <class Sum>
  ScoreTile<Sum> seen_by_head(Sum* x, std::int64_t head) const {
    auto tile = of_head(x, head);
    if (!shown_to_heads.empty()) tile.shown = marks(shown_to_heads) + head * rows * columns;
    return tile;
  }

 private:
  static const std::uint8_t* marks(const std::vector<std::uint8_t>& all) {
    return all.empty() ? nullptr : all.data();
  }
};

// Calls body(first column, how many) for each chunk of the tile's columns.
template <class Body>
void for_each_chunk(const ComposedTile& tile, const Body& body) {
  for (std::int64_t begin = 0; begin < tile.columns; begin += key_columns) {
    body(begin, std::min(key_columns, tile.columns - begin));
  }
}

// The tiles of every sequence, of `most_rows` rows at most.
class ComposedTiles {
 public:
  ComposedTiles(const AttentionShape& shape, std::int64_t most_rows);
  std::int64_t count() const { return static_cast<std::int64_t>(places_.size()); }
  ComposedTile tile(std::int64_t sequence, std::int64_t number) const;
  // Numbers of [heads, rows, columns] of any of them.
  std::int64_t scratch() const;

 private:
  struct Place {
    std::int64_t row, rows;
  };
  void see_ranges(ComposedTile& tile) const;
  void pack(ComposedTile& tile) const;

  AttentionShape shape_;
  std::int64_t most_rows_, step_;
  std::vector<Place> places_;
};

}  // namespace lookback::kernels
