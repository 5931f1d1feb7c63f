// What a warp does with its 16 rows of a tile. A fragment c[n][4] holds columns 8 n .. 8 n + 7 of
// them, spread over the lanes as multiply_tiles (tiles.h) does it: with g = lane / 4 and t = 2
// (lane % 4), c[n][0..1] are (g, 8 n + t) and the next, c[n][2..3] the same of row g + 8. bf16 goes
// through tensor cores, f32 through fused multiply-adds.
#pragma once

#include <limits>

#include "kernels/cuda/attention_operands.h"
#include "kernels/cuda/attention_tiles.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/tiles.h"

namespace lookback::kernels {

LOOKBACK_DEVICE int lane_of_warp() { return device::thread_index() % device::warp_threads; }
LOOKBACK_DEVICE int warp_of_block() { return device::thread_index() / device::warp_threads; }
// The row of the block whose elements 0 and 1 this thread holds; 2 and 3 are 8 rows below.
LOOKBACK_DEVICE int row_of_thread() { return warp_of_block() * 16 + lane_of_warp() / 4; }
// The column of element 0 in its group of eight.
LOOKBACK_DEVICE int column_of_thread() { return lane_of_warp() % 4 * 2; }

template <int tiles>
LOOKBACK_DEVICE void clear(float (&c)[tiles][4]) {
  LOOKBACK_UNROLL
  for (int n = 0; n < tiles; ++n) {
    LOOKBACK_UNROLL
    for (int i = 0; i < 4; ++i) c[n][i] = 0;
  }
}

// c += a b^T: this warp's 16 rows of a against all rows of b, over `columns` (a multiple of 16) of
// both. The strides are those of tiles, in elements.
template <int tiles>
LOOKBACK_DEVICE void multiply_rows(float (&c)[tiles][4], const BFloat16* a, int a_stride,
                                   const BFloat16* b, int b_stride, int columns) {
  const int lane = lane_of_warp();
  const auto* a_row = a + (warp_of_block() * 16 + lane % 16) * a_stride + lane / 16 * 8;
  const auto* b_row = b + (lane / 16 * 8 + lane % 8) * b_stride + lane / 8 % 2 * 8;
  for (int k = 0; k < columns; k += 16) {
    std::uint32_t rows[4];
    device::load_matrices(rows, a_row + k);
    LOOKBACK_UNROLL
    for (int n = 0; n < tiles; n += 2) {
      std::uint32_t both[4];
      device::load_matrices(both, b_row + n * 8 * b_stride + k);
      const std::uint32_t left[2] = {both[0], both[1]}, right[2] = {both[2], both[3]};
      device::multiply_tiles(c[n], rows, left);
      device::multiply_tiles(c[n + 1], rows, right);
    }
  }
}

template <int tiles>
LOOKBACK_DEVICE void multiply_rows(float (&c)[tiles][4], const float* a, int a_stride,
                                   const float* b, int b_stride, int columns) {
  using Four = Pack<float, 4>;
  const auto* a_row = a + row_of_thread() * a_stride;
  const auto* b_row = b + column_of_thread() * b_stride;
  for (int k = 0; k < columns; k += 4) {
    const Four upper = *reinterpret_cast<const Four*>(a_row + k);
    const Four lower = *reinterpret_cast<const Four*>(a_row + 8 * a_stride + k);
    LOOKBACK_UNROLL
    for (int n = 0; n < tiles; ++n) {
      LOOKBACK_UNROLL
      for (int i = 0; i < 2; ++i) {
        const Four other = *reinterpret_cast<const Four*>(b_row + (n * 8 + i) * b_stride + k);
        LOOKBACK_UNROLL
        for (int j = 0; j < 4; ++j) {
          c[n][i] = device::fused(upper.element[j], other.element[j], c[n][i]);
          c[n][2 + i] = device::fused(lower.element[j], other.element[j], c[n][2 + i]);
        }
      }
    }
  }
}

// c += p b: p a fragment of 8 * inner columns, b a tile of as many rows. p is rounded to b's dtype.
template <int outer, int inner>
LOOKBACK_DEVICE void multiply_fragment(float (&c)[outer][4], const float (&p)[inner][4],
                                       const BFloat16* b, int b_stride) {
  const int lane = lane_of_warp();
  const auto* b_row = b + lane % 16 * b_stride + lane / 16 * 8;
  LOOKBACK_UNROLL
  for (int k = 0; k < inner; k += 2) {
    const std::uint32_t rows[4] = {device::pack(p[k][0], p[k][1]), device::pack(p[k][2], p[k][3]),
                                   device::pack(p[k + 1][0], p[k + 1][1]),
                                   device::pack(p[k + 1][2], p[k + 1][3])};
    LOOKBACK_UNROLL
    for (int n = 0; n < outer; n += 2) {
      std::uint32_t both[4];
      device::load_transposed(both, b_row + k * 8 * b_stride + n * 8);
      const std::uint32_t left[2] = {both[0], both[1]}, right[2] = {both[2], both[3]};
      device::multiply_tiles(c[n], rows, left);
      device::multiply_tiles(c[n + 1], rows, right);
    }
  }
}

template <int outer, int inner>
LOOKBACK_DEVICE void multiply_fragment(float (&c)[outer][4], const float (&p)[inner][4],
                                       const float* b, int b_stride) {
  using Two = Pack<float, 2>;
  const int lane = lane_of_warp();
  const auto* b_row = b + column_of_thread();
  LOOKBACK_UNROLL
  for (int k = 0; k < inner; ++k) {
    LOOKBACK_UNROLL
    for (int j = 0; j < 8; ++j) {
      // Of the four lanes that share these rows, the one that holds column j.
      const int owner = lane / 4 * 4 + j / 2;
      const float upper = device::from_lane(p[k][j % 2], owner);
      const float lower = device::from_lane(p[k][2 + j % 2], owner);
      LOOKBACK_UNROLL
      for (int n = 0; n < outer; ++n) {
        const Two other = *reinterpret_cast<const Two*>(b_row + (k * 8 + j) * b_stride + n * 8);
        LOOKBACK_UNROLL
        for (int i = 0; i < 2; ++i) {
          c[n][i] = device::fused(upper, other.element[i], c[n][i]);
          c[n][2 + i] = device::fused(lower, other.element[i], c[n][2 + i]);
        }
      }
    }
  }
}

// total += scale c
template <int tiles>
LOOKBACK_DEVICE void add_scaled(float (&total)[tiles][4], float scale, const float (&c)[tiles][4]) {
  LOOKBACK_UNROLL
  for (int n = 0; n < tiles; ++n) {
    LOOKBACK_UNROLL
    for (int i = 0; i < 4; ++i) total[n][i] = device::fused(scale, c[n][i], total[n][i]);
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
LOOKBACK_DEVICE SeenByBlock seen_by_rows(const AttentionExtent& extent, const BlockPlace& at,
                                         int* ranges) {
  const int thread = device::thread_index();
  if (thread < rows) {
    const auto row = at.first + thread < extent.rows ? at.first + thread : extent.rows - 1;
    const auto range = extent.keys_of(at.sequence, row);
    ranges[2 * thread] = range.empty() ? 0 : static_cast<int>(range.first);
    ranges[2 * thread + 1] = range.empty() ? 0 : static_cast<int>(range.last);
  }
  device::synchronise_block();
  SeenByBlock seen;
  for (int row = 0; row < rows; ++row) seen.add(ranges[2 * row], ranges[2 * row + 1]);
  return seen;
}

// Starts the copies of a tile: `valid` rows of `width` elements, and zeros around them. Eight
// neighbouring threads copy 128 bytes of one row.
template <int threads, class T>
LOOKBACK_DEVICE void copy_tile(T* to, int rows, int columns, const T* from, std::int64_t row_step,
                               std::int64_t valid, std::int64_t width) {
  constexpr int beside = 8;
  const int lane = device::thread_index() % beside;
  for (int row = device::thread_index() / beside; row < rows; row += threads / beside) {
    T* to_row = to + row * tile_stride_of<T>(columns);
    const T* from_row = from + row * row_step;
    for (int at = lane * chunk_elements<T>; at < columns; at += beside * chunk_elements<T>) {
      if (row < valid && at < width) {
        device::copy_async(to_row + at, from_row + at);
      } else {
        device::fill_async(to_row + at);
      }
    }
  }
}

LOOKBACK_DEVICE bool is_finite(float x) { return x - x == 0; }

// Puts 0 where the tile is infinite or NaN, and sets *found (where given) to 1 if it was: 0 times
// that would reach rows that do not see it. Each thread looks at what it copied.
template <int threads, class T>
LOOKBACK_DEVICE void clean_tile(T* tile, int rows, int columns, int* found) {
  using Chunk = Pack<T, chunk_elements<T>>;
  constexpr int beside = 8;
  const int lane = device::thread_index() % beside;
  for (int row = device::thread_index() / beside; row < rows; row += threads / beside) {
    for (int at = lane * chunk_elements<T>; at < columns; at += beside * chunk_elements<T>) {
      auto& chunk = *reinterpret_cast<Chunk*>(tile + row * tile_stride_of<T>(columns) + at);
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
        pair.element[i] = static_cast<T>(device::fused(factor, sum, before));
      } else {
        pair.element[i] = static_cast<T>(factor * sum);
      }
    }
    *to = pair;
  }
}

}  // namespace lookback::kernels
