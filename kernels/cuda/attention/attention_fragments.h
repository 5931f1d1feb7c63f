// What a warp does with its 16 rows of scores, weights and sums (attention_products.h), and how
// tiles are filled.
#pragma once

#include <limits>

#include "kernels/cuda/attention/attention_operands.h"
#include "kernels/cuda/attention/attention_products.h"
#include "kernels/cuda/attention/attention_tiles.h"

namespace lookback::kernels {

template <int tiles>
LOOKBACK_DEVICE void clear(float (&c)[tiles][4]) {
  LOOKBACK_UNROLL
  for (int n = 0; n < tiles; ++n) {
    LOOKBACK_UNROLL
    for (int i = 0; i < 4; ++i) c[n][i] = 0;
  }
}

// total += scale c
template <int tiles>
LOOKBACK_DEVICE void add_scaled(float (&total)[tiles][4], float scale, const float (&c)[tiles][4]) {
  LOOKBACK_UNROLL
  for (int n = 0; n < tiles; ++n) {
    LOOKBACK_UNROLL
    for (int i = 0; i < 4; ++i) total[n][i] = device::fma(scale, c[n][i], total[n][i]);
  }
}

// e^(score - center); a center of -inf counts as 0, for its row sees nothing.
LOOKBACK_DEVICE float weight_of(float score, float center) {
  constexpr float log2_e = 1.44269504088896340736F;
  return device::exp2((score - center) * log2_e);
}
LOOKBACK_DEVICE float center_of(float log_sum_exp) {
  return log_sum_exp == -std::numeric_limits<float>::infinity() ? 0.0F : log_sum_exp;
}

// What the rows of a block of queries see: row i's keys in ranges[2 i] and ranges[2 i + 1], and all
// of them together. Rows beyond the last are as the last one. A barrier is passed.
template <int rows>
LOOKBACK_DEVICE SeenByBlock seen_by_rows(const AttentionShape& shape, const BlockPlace& at,
                                         int* ranges) {
  const int thread = device::thread_index();
  if (thread < rows) {
    const auto row = at.first + thread < shape.rows ? at.first + thread : shape.rows - 1;
    const auto range = shape.keys_of(at.sequence, row);
    ranges[2 * thread] = range.empty() ? 0 : static_cast<int>(range.first);
    ranges[2 * thread + 1] = range.empty() ? 0 : static_cast<int>(range.last);
  }
  device::sync_block();
  SeenByBlock seen;
  for (int row = 0; row < rows; ++row) seen.add(ranges[2 * row], ranges[2 * row + 1]);
  return seen;
}

// Starts the copies of a tile: `valid` rows of `width` elements, and zeros around them. Eight
// neighboring threads copy 128 bytes of one row.
template <int threads, class Tile, class T>
LOOKBACK_DEVICE void copy_tile(const Tile& to, const T* from, std::int64_t row_step,
                               std::int64_t valid, std::int64_t width) {
  constexpr int beside = 8;
  const int lane = device::thread_index() % beside;
  for (int row = device::thread_index() / beside; row < to.rows; row += threads / beside) {
    const T* from_row = from + row * row_step;
    for (int at = lane * chunk_elements<T>; at < to.columns; at += beside * chunk_elements<T>) {
      if (row < valid && at < width) {
        device::cp_async(to.at(row, at), from_row + at);
      } else {
        device::cp_async_zfill(to.at(row, at));
      }
    }
  }
}

// All that was copied is there: for every thread, and for its products.
template <class Tiles>
LOOKBACK_DEVICE void expect_tiles() {
  device::cp_async_wait<0>();
  publish_tiles<Tiles>();
}

LOOKBACK_DEVICE bool is_finite(float x) { return x - x == 0; }

// Puts 0 where the tile is infinite or NaN, and sets *found (where given) to 1 if it was: 0 times
// that would reach rows that do not see it. Each thread looks at what it copied.
template <int threads, class Tile>
LOOKBACK_DEVICE void clean_tile(const Tile& tile, int* found) {
  using T = typename Tile::Element;
  using Chunk = Pack<T, chunk_elements<T>>;
  constexpr int beside = 8;
  const int lane = device::thread_index() % beside;
  for (int row = device::thread_index() / beside; row < tile.rows; row += threads / beside) {
    for (int at = lane * chunk_elements<T>; at < tile.columns; at += beside * chunk_elements<T>) {
      auto& chunk = *reinterpret_cast<Chunk*>(tile.at(row, at));
      Chunk clean = chunk;
      bool finite = true;
      LOOKBACK_UNROLL
      for (int i = 0; i < chunk_elements<T>; ++i) {
        if (is_finite(static_cast<float>(clean.element[i]))) continue;
        clean.element[i] = static_cast<T>(0.0F);
        finite = false;
      }
      if (finite) continue;
      chunk = clean;
      if (found != nullptr) *found = 1;
    }
  }
}

// Puts the thread's part of a row of sums into memory, `valid` columns of it: factor * sums, or
// added to what is there.
enum class Store { write, add };
template <Store store, int tiles, class T>
LOOKBACK_DEVICE void store_row(T* row, std::int64_t valid, const float (&c)[tiles][4], int half,
                               float factor) {
  using Two = Pack<T, 2>;
  LOOKBACK_UNROLL
  for (int n = 0; n < tiles; ++n) {
    const int column = n * 8 + column_of_thread();
    if (column >= valid) continue;
    auto* to = reinterpret_cast<Two*>(row + column);
    Two pair;
    if constexpr (store == Store::add) pair = *to;
    LOOKBACK_UNROLL
    for (int i = 0; i < 2; ++i) {
      const float sum = half == 0 ? c[n][i] : c[n][2 + i];
      if constexpr (store == Store::add) {
        const float before = static_cast<float>(pair.element[i]);
        pair.element[i] = static_cast<T>(device::fma(factor, sum, before));
      } else {
        pair.element[i] = static_cast<T>(factor * sum);
      }
    }
    *to = pair;
  }
}

}  // namespace lookback::kernels
