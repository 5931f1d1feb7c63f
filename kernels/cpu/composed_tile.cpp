#include "kernels/cpu/composed_tile.h"

#include "kernels/cpu/shown_keys.h"

namespace lookback::kernels {
namespace {

// How far apart the rows of a tile stand: as far as the keys of a window, where these are the same
// for all heads. Random blocks are those of a run of rows.
std::int64_t step_of(const AttentionShape& shape) {
  const auto& pattern = shape.visible.pattern;
  if (pattern.dilation == nullptr || pattern.random_blocks != nullptr || shape.heads() == 0) {
    return 1;
  }
  const auto* end = pattern.dilation + shape.heads();
  const bool alike =
      std::all_of(pattern.dilation, end, [&](auto step) { return step == pattern.dilation[0]; });
  return alike ? std::min(pattern.dilation[0], std::max<std::int64_t>(1, shape.rows)) : 1;
}

// Rows and heads that lie an odd number of cache lines apart spread over the cache.
std::int64_t stride_of(std::int64_t columns) { return (columns + 15) / 16 * 16; }
std::int64_t head_step_of(std::int64_t rows, std::int64_t columns) {
  return rows * stride_of(columns) + 16;
}

// x |= y
void join(std::uint8_t* x, const std::uint8_t* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) x[i] = static_cast<std::uint8_t>(x[i] | y[i]);
}

// From the first to the last that is not 0.
KeyRange range_of(const std::uint8_t* marks, std::int64_t count) {
  std::int64_t first = 0, last = count;
  while (first < last && marks[first] == 0) ++first;
  while (first < last && marks[last - 1] == 0) --last;
  return first < last ? KeyRange{first, last} : KeyRange{};
}

}  // namespace

ComposedTiles::ComposedTiles(const AttentionShape& shape, std::int64_t most_rows)
    : shape_(shape), most_rows_(most_rows), step_(step_of(shape)) {
  for (std::int64_t begin = 0; begin < std::min(step_, shape.rows); ++begin) {
    const auto of_step = blocks_of(shape.rows - begin, step_);
    for (std::int64_t i = 0; i < of_step; i += most_rows) {
      places_.push_back({begin + i * step_, std::min(most_rows, of_step - i)});
    }
  }
}

std::int64_t ComposedTiles::scratch() const {
  return shape_.heads() * head_step_of(most_rows_, shape_.keys);
}

ComposedTile ComposedTiles::tile(std::int64_t sequence, std::int64_t number) const {
  const auto& place = places_[static_cast<std::size_t>(number)];
  ComposedTile tile;
  tile.sequence = sequence;
  tile.row = place.row;
  tile.rows = place.rows;
  tile.step = step_;
  if (shape_.visible.plain()) {
    see_ranges(tile);
  } else {
    pack(tile);
  }
  tile.stride = stride_of(tile.columns);
  tile.head_step = head_step_of(most_rows_, tile.columns);
  return tile;
}

void ComposedTiles::see_ranges(ComposedTile& tile) const {
  KeyRange any;
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    const auto range = shape_.keys_of(tile.sequence, tile.row_of(i));
    tile.visible[static_cast<std::size_t>(i)] = range;
    if (range.empty()) continue;
    if (any.empty()) any = range;
    any = {std::min(any.first, range.first), std::max(any.last, range.last)};
  }
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    auto& range = tile.visible[static_cast<std::size_t>(i)];
    range = range.empty() ? KeyRange{} : KeyRange{range.first - any.first, range.last - any.first};
  }
  tile.first = any.first;
  tile.columns = any.last - any.first;
}

void ComposedTiles::pack(ComposedTile& tile) const {
  const auto& rule = shape_.visible;
  const bool alike = same_for_heads(rule.pattern);
  const auto planes = alike ? std::min<std::int64_t>(1, shape_.heads()) : shape_.heads();
  const auto keys = shape_.keys;
  // By key: of each head and row, of each row, of the tile.
  thread_local std::vector<std::uint8_t> by_head, by_row, by_tile;
  by_head.assign(static_cast<std::size_t>(planes * tile.rows * keys), 0);
  by_row.assign(static_cast<std::size_t>(tile.rows * keys), 0);
  by_tile.assign(static_cast<std::size_t>(keys), 0);
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    for (std::int64_t head = 0; head < planes; ++head) {
      auto* marks = by_head.data() + (head * tile.rows + i) * keys;
      mark_shown(rule, tile.sequence, head, tile.row_of(i), keys, marks);
      join(by_row.data() + i * keys, marks, keys);
    }
    join(by_tile.data(), by_row.data() + i * keys, keys);
  }
  for (std::int64_t key = 0; key < keys; ++key) {
    if (by_tile[static_cast<std::size_t>(key)] != 0) tile.keys.push_back(key);
  }
  tile.columns = static_cast<std::int64_t>(tile.keys.size());
  const auto columns_of = [&](const std::vector<std::uint8_t>& from, std::int64_t rows,
                              std::vector<std::uint8_t>& to) {
    to.resize(static_cast<std::size_t>(rows * tile.columns));
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t column = 0; column < tile.columns; ++column) {
        to[static_cast<std::size_t>(i * tile.columns + column)] =
            from[static_cast<std::size_t>(i * keys + tile.key_of(column))];
      }
    }
  };
  columns_of(by_row, tile.rows, tile.shown);
  if (!alike) columns_of(by_head, planes * tile.rows, tile.shown_to_heads);
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    tile.visible[static_cast<std::size_t>(i)] =
        range_of(tile.shown.data() + i * tile.columns, tile.columns);
  }
}

}  // namespace lookback::kernels
