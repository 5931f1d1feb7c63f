// The products of the streaming kernels, for each way of making them (attention_tiles.h).
//
// A fragment c[n][4] is what a warp has of 16 rows: columns 8 n .. 8 n + 7 of them, spread over the
// lanes as mma_m16n8k16 (tiles.h) does it: with g = lane / 4 and t = 2 (lane % 4), c[n][0..1] are
// (g, 8 n + t) and the next, c[n][2..3] the same of row g + 8. The four warps of a warpgroup have
// its 64 rows in the same way.
//
//   multiply_rows(c, a, b, columns, beside)   c += a b^T: this warp's 16 rows of a against all rows
//                                      of b, over `columns` of both, as contracted_columns() gives
//                                      them; beside() is done meanwhile (it starts copies)
//   multiply_fragment(c, p, b, beside) c += p b: p a fragment of 8 * inner columns, b a tile of as
//                                      many rows. p is rounded to b's dtype.
#pragma once

#include "kernels/cuda/attention/attention_tiles.h"
#include "kernels/cuda/device/elementwise.h"
#include "kernels/cuda/device/tiles.h"
#include "kernels/cuda/device/warpgroup.h"

namespace lookback::kernels {

LOOKBACK_DEVICE int lane_of_warp() { return device::thread_index() % device::warp_threads; }
LOOKBACK_DEVICE int warp_of_block() { return device::thread_index() / device::warp_threads; }
// The row of the block whose elements 0 and 1 this thread holds; 2 and 3 are 8 rows below.
LOOKBACK_DEVICE int row_of_thread() { return warp_of_block() * 16 + lane_of_warp() / 4; }
// The column of element 0 in its group of eight.
LOOKBACK_DEVICE int column_of_thread() { return lane_of_warp() % 4 * 2; }

// Whether the code being compiled is for GPUs that take this way.
template <class Tiles>
inline constexpr bool compiled_for = true;
template <>
inline constexpr bool compiled_for<WarpTiles<BFloat16>> = device::image_has_warps;
template <>
inline constexpr bool compiled_for<WarpgroupTiles> = device::image_has_warpgroups;

template <class Tiles>
LOOKBACK_DEVICE std::byte* memory_of_tiles() {
  if constexpr (std::is_same_v<Tiles, WarpgroupTiles>) {
    return device::swizzled_memory();
  } else {
    return device::shared_memory();
  }
}

// What all threads have written into tiles is there: for every thread, and for its products.
template <class Tiles>
LOOKBACK_DEVICE void publish_tiles() {
  if constexpr (std::is_same_v<Tiles, WarpgroupTiles>) device::fence_proxy_async();
  device::sync_block();
}

template <int tiles>
LOOKBACK_DEVICE void multiply_rows(float (&c)[tiles][4], const PaddedTile<BFloat16>& a,
                                   const PaddedTile<BFloat16>& b, int columns) {
  const int lane = lane_of_warp();
  const auto* a_row = a.at(warp_of_block() * 16 + lane % 16, lane / 16 * 8);
  const auto* b_row = b.at(lane / 16 * 8 + lane % 8, lane / 8 % 2 * 8);
  for (int k = 0; k < columns; k += 16) {
    std::uint32_t rows[4];
    device::ldmatrix(rows, a_row + k);
    LOOKBACK_UNROLL
    for (int n = 0; n < tiles; n += 2) {
      std::uint32_t both[4];
      device::ldmatrix(both, b_row + n * 8 * b.stride() + k);
      const std::uint32_t left[2] = {both[0], both[1]}, right[2] = {both[2], both[3]};
      device::mma_m16n8k16(c[n], rows, left);
      device::mma_m16n8k16(c[n + 1], rows, right);
    }
  }
}

template <int tiles>
LOOKBACK_DEVICE void multiply_rows(float (&c)[tiles][4], const PaddedTile<float>& a,
                                   const PaddedTile<float>& b, int columns) {
  using Four = Pack<float, 4>;
  const float* a_row = a.at(row_of_thread(), 0);
  const float* b_row = b.at(column_of_thread(), 0);
  for (int k = 0; k < columns; k += 4) {
    const Four upper = *reinterpret_cast<const Four*>(a_row + k);
    const Four lower = *reinterpret_cast<const Four*>(a_row + 8 * a.stride() + k);
    LOOKBACK_UNROLL
    for (int n = 0; n < tiles; ++n) {
      LOOKBACK_UNROLL
      for (int i = 0; i < 2; ++i) {
        const Four other = *reinterpret_cast<const Four*>(b_row + (n * 8 + i) * b.stride() + k);
        LOOKBACK_UNROLL
        for (int j = 0; j < 4; ++j) {
          c[n][i] = device::fma(upper.element[j], other.element[j], c[n][i]);
          c[n][2 + i] = device::fma(lower.element[j], other.element[j], c[n][2 + i]);
        }
      }
    }
  }
}

template <int outer, int inner>
LOOKBACK_DEVICE void multiply_fragment(float (&c)[outer][4], const float (&p)[inner][4],
                                       const PaddedTile<BFloat16>& b) {
  const int lane = lane_of_warp();
  const auto* b_row = b.at(lane % 16, lane / 16 * 8);
  LOOKBACK_UNROLL
  for (int k = 0; k < inner; k += 2) {
    const std::uint32_t rows[4] = {device::pack(p[k][0], p[k][1]), device::pack(p[k][2], p[k][3]),
                                   device::pack(p[k + 1][0], p[k + 1][1]),
                                   device::pack(p[k + 1][2], p[k + 1][3])};
    LOOKBACK_UNROLL
    for (int n = 0; n < outer; n += 2) {
      std::uint32_t both[4];
      device::ldmatrix_trans(both, b_row + k * 8 * b.stride() + n * 8);
      const std::uint32_t left[2] = {both[0], both[1]}, right[2] = {both[2], both[3]};
      device::mma_m16n8k16(c[n], rows, left);
      device::mma_m16n8k16(c[n + 1], rows, right);
    }
  }
}

template <int outer, int inner>
LOOKBACK_DEVICE void multiply_fragment(float (&c)[outer][4], const float (&p)[inner][4],
                                       const PaddedTile<float>& b) {
  using Two = Pack<float, 2>;
  const int lane = lane_of_warp();
  const float* b_row = b.at(0, column_of_thread());
  LOOKBACK_UNROLL
  for (int k = 0; k < inner; ++k) {
    LOOKBACK_UNROLL
    for (int j = 0; j < 8; ++j) {
      // Of the four lanes that share these rows, the one that holds column j.
      const int owner = lane / 4 * 4 + j / 2;
      const float upper = device::shuffle(p[k][j % 2], owner);
      const float lower = device::shuffle(p[k][2 + j % 2], owner);
      LOOKBACK_UNROLL
      for (int n = 0; n < outer; ++n) {
        const Two other = *reinterpret_cast<const Two*>(b_row + (k * 8 + j) * b.stride() + n * 8);
        LOOKBACK_UNROLL
        for (int i = 0; i < 2; ++i) {
          c[n][i] = device::fma(upper, other.element[i], c[n][i]);
          c[n][2 + i] = device::fma(lower, other.element[i], c[n][2 + i]);
        }
      }
    }
  }
}

// The rows of this thread's warpgroup, in all its threads the same for the compiler too.
LOOKBACK_DEVICE int first_row_of_warpgroup() {
  constexpr int warps = device::warpgroup_threads / device::warp_threads;
  return device::shuffle(warp_of_block() / warps, 0) * warps * rows_of_warp;
}
template <int block>
LOOKBACK_DEVICE std::uint64_t matrix_of(const SwizzledTile<block>& tile) {
  return device::describe_matrix(device::shared_window_address(tile.data), tile.layout(tile.rows));
}

template <int tiles, int a_block, int b_block, class Work>
LOOKBACK_DEVICE void multiply_rows(float (&c)[tiles][4], const SwizzledTile<a_block>& a,
                                   const SwizzledTile<b_block>& b, int columns,
                                   const Work& beside) {
  const auto a_rows =
      device::moved_matrix(matrix_of(a), a.bytes_to(a.rows, first_row_of_warpgroup(), 0));
  const auto b_rows = matrix_of(b);
  int first = 0;
  // Each step a group of its own: the compiler ends a group where its last product stands.
  LOOKBACK_KEEP_LOOP
  do {
    device::wgmma_fence(c);
    LOOKBACK_UNROLL
    for (int k = first; k < first + WarpgroupTiles::summed; k += 16) {
      device::wgmma_ss<device::Major::k>(c, device::moved_matrix(a_rows, a.bytes_to(a.rows, 0, k)),
                                         device::moved_matrix(b_rows, b.bytes_to(b.rows, 0, k)));
    }
    device::wgmma_commit();
    first += WarpgroupTiles::summed;
  } while (first < columns);
  beside();
  device::wgmma_wait<0>(c);
}

template <int outer, int inner, int block, class Work>
LOOKBACK_DEVICE void multiply_fragment(float (&c)[outer][4], const float (&p)[inner][4],
                                       const SwizzledTile<block>& b, const Work& beside) {
  static_assert(outer * 8 % block == 0 && inner % 2 == 0);
  std::uint32_t rows[inner / 2][4];
  LOOKBACK_UNROLL
  for (int k = 0; k < inner / 2; ++k) {
    LOOKBACK_UNROLL
    for (int i = 0; i < 4; ++i) {
      const auto& pair = p[2 * k + i / 2];
      rows[k][i] = device::pack(pair[i % 2 * 2], pair[i % 2 * 2 + 1]);
    }
  }
  const auto b_rows = matrix_of(b);
  device::wgmma_fence(c, rows);
  LOOKBACK_UNROLL
  for (int k = 0; k < inner / 2; ++k) {
    device::wgmma_rs<device::Major::mn>(
        c, rows[k], device::moved_matrix(b_rows, b.bytes_to(b.rows, 16 * k, 0)));
  }
  device::wgmma_commit();
  beside();
  device::wgmma_wait<0>(c);
}

// The tensor cores of warps, and fused multiply-adds, work as long as the thread does: what is to
// happen beside them is begun before.
template <int tiles, class T, class Work>
LOOKBACK_DEVICE void multiply_rows(float (&c)[tiles][4], const PaddedTile<T>& a,
                                   const PaddedTile<T>& b, int columns, const Work& beside) {
  beside();
  multiply_rows(c, a, b, columns);
}
template <int outer, int inner, class T, class Work>
LOOKBACK_DEVICE void multiply_fragment(float (&c)[outer][4], const float (&p)[inner][4],
                                       const PaddedTile<T>& b, const Work& beside) {
  beside();
  multiply_fragment(c, p, b);
}

}  // namespace lookback::kernels
